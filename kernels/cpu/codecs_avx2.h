// One codec a block type: how eight 32-blocks become a Superblock. Layouts: kernels/quant, whose
// scalar unpack functions are the twins of these.
//   kSplit         two scales a block
//   kMinGroup      columns that share a minimum, 0 for types without
//   kUnsigned      quants are 0..127, so they can be the unsigned side of a byte product
//   bytes()        of a superblock (for types with blocks of 32: of eight blocks)
//   block_bytes()  of one 32-block where a row may end inside a superblock, else 0
// More codecs: codecs_plain_avx2.h, codecs_low_k_avx2.h, codecs_grid_avx2.h.
#pragma once
#include <array>

#include "kernels/cpu/sign_bits_avx2.h"
#include "kernels/cpu/superblock_avx2.h"
#include "kernels/quant/block_unpack.h"
#include "kernels/quant/codebooks.h"
#include "kernels/quant/fp4.h"

namespace shoal::kernels::cpu {
namespace {

struct CodecQ8_0 {
  static constexpr int bytes() { return 272; }
  static constexpr int block_bytes() { return 34; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    for (int b = 0; b < 8; ++b) out.q[b] = load_32(at + 34 * b + 2);
    out.scale[0] = gather_f16(at, 34);
  }
};

struct CodecMxfp4 {
  static constexpr int bytes() { return 136; }
  static constexpr int block_bytes() { return 17; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(kDoubledFp4.data())));
    for (int b = 0; b < 8; ++b)
      out.q[b] = _mm256_shuffle_epi8(table, split_nibbles(load_16(at + 17 * b + 1)));
    out.scale[0] = scales(at);
  }

 private:
  static __m256 scales(const std::byte* at) {
    const auto exponent = [&](int b) { return std::to_integer<int>(at[17 * b]); };
    const __m256i e = _mm256_setr_epi32(exponent(0),
                                        exponent(1),
                                        exponent(2),
                                        exponent(3),
                                        exponent(4),
                                        exponent(5),
                                        exponent(6),
                                        exponent(7));
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    const __m256i is_normal = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(1));
    return _mm256_castsi256_ps(_mm256_blendv_epi8(subnormal, normal, is_normal));
  }
};

// Scales and minima of q4_K and q5_K: 12 bytes, six bits each.
inline void unpack_six_bit_scales(const std::byte* at, Superblock& out) {
  const auto first = load_bytes<uint32_t>(at + 4);
  const auto second = load_bytes<uint32_t>(at + 8);
  const auto third = load_bytes<uint32_t>(at + 12);
  const uint32_t high_scale = (third & 0x0f0f0f0f) | (first >> 6 & 0x03030303) << 4;
  const uint32_t high_min = (third >> 4 & 0x0f0f0f0f) | (second >> 6 & 0x03030303) << 4;
  const uint64_t scale = (first & 0x3f3f3f3f) | static_cast<uint64_t>(high_scale) << 32;
  const uint64_t min = (second & 0x3f3f3f3f) | static_cast<uint64_t>(high_min) << 32;
  const __m128i halves = _mm_cvtsi32_si128(load_bytes<int32_t>(at));
  const __m128 d_dmin = _mm_cvtph_ps(halves);
  const __m256 d = _mm256_broadcastss_ps(d_dmin);
  const __m256 dmin = _mm256_broadcastss_ps(_mm_movehdup_ps(d_dmin));
  out.scale[0] = _mm256_mul_ps(d, floats_from_u8(scale));
  out.min[0] = _mm256_mul_ps(dmin, floats_from_u8(min));
}

struct CodecQ4_K {
  static constexpr int bytes() { return 144; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = false, kUnsigned = true;
  static constexpr int kMinGroup = 32;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i low_mask = _mm256_set1_epi8(15);
    for (int pair = 0; pair < 4; ++pair) {
      const __m256i bytes = load_32(at + 16 + 32 * pair);
      out.q[2 * pair] = _mm256_and_si256(bytes, low_mask);
      out.q[2 * pair + 1] = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_mask);
    }
    unpack_six_bit_scales(at, out);
  }
};

struct CodecQ5_K {
  static constexpr int bytes() { return 176; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = false, kUnsigned = true;
  static constexpr int kMinGroup = 32;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i low_mask = _mm256_set1_epi8(15);
    const __m256i fifth_mask = _mm256_set1_epi8(16);
    const __m256i fifths = load_32(at + 16);
    for (int pair = 0; pair < 4; ++pair) {
      const __m256i bytes = load_32(at + 48 + 32 * pair);
      const __m256i low = _mm256_and_si256(bytes, low_mask);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_mask);
      // Bit 2 * pair moved to bit 4, and the one above it.
      const __m256i low_fifth = move_bit(fifths, 2 * pair);
      const __m256i high_fifth = move_bit(fifths, 2 * pair + 1);
      out.q[2 * pair] = _mm256_or_si256(low, _mm256_and_si256(low_fifth, fifth_mask));
      out.q[2 * pair + 1] = _mm256_or_si256(high, _mm256_and_si256(high_fifth, fifth_mask));
    }
    unpack_six_bit_scales(at, out);
  }

 private:
  static __m256i move_bit(__m256i bytes, int from) {
    return from < 4 ? _mm256_slli_epi16(bytes, 4 - from) : _mm256_srli_epi16(bytes, from - 4);
  }
};

struct CodecQ6_K {
  static constexpr int bytes() { return 210; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = true, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i low_mask = _mm256_set1_epi8(15);
    const __m256i high_mask = _mm256_set1_epi8(0x30);
    const __m256i offset = _mm256_set1_epi8(32);
    for (int half = 0; half < 2; ++half) {
      const __m256i first = load_32(at + 64 * half);
      const __m256i second = load_32(at + 64 * half + 32);
      const __m256i pairs = load_32(at + 128 + 32 * half);
      const __m256i low[4] = {
          first, second, _mm256_srli_epi16(first, 4), _mm256_srli_epi16(second, 4)};
      const __m256i high[4] = {_mm256_slli_epi16(pairs, 4),
                               _mm256_slli_epi16(pairs, 2),
                               pairs,
                               _mm256_srli_epi16(pairs, 2)};
      for (int b = 0; b < 4; ++b) {
        const __m256i q = _mm256_or_si256(_mm256_and_si256(low[b], low_mask),
                                          _mm256_and_si256(high[b], high_mask));
        out.q[4 * half + b] = _mm256_sub_epi8(q, offset);
      }
    }
    const __m128i scales = load_16(at + 192);
    const __m128i even_odd = _mm_shuffle_epi8(
        scales, _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
    const __m256 d = broadcast_f16(at + 208);
    out.scale[0] = _mm256_mul_ps(d, floats_from_i8(even_odd));
    out.scale[1] = _mm256_mul_ps(d, floats_from_i8(_mm_srli_si128(even_odd, 8)));
  }
};

struct CodecIq4Xs {
  static constexpr int bytes() { return 136; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Levels.data())));
    for (int b = 0; b < 8; ++b)
      out.q[b] = _mm256_shuffle_epi8(table, split_nibbles(load_16(at + 8 + 16 * b)));
    const __m256i nibbles = _mm256_set1_epi32(load_bytes<int32_t>(at + 4));
    const __m256i pairs = _mm256_set1_epi32(load_bytes<uint16_t>(at + 2));
    const __m256i low =
        _mm256_and_si256(_mm256_srlv_epi32(nibbles, _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28)),
                         _mm256_set1_epi32(15));
    const __m256i high =
        _mm256_and_si256(_mm256_srlv_epi32(pairs, _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14)),
                         _mm256_set1_epi32(3));
    const __m256i scale =
        _mm256_sub_epi32(_mm256_or_si256(low, _mm256_slli_epi32(high, 4)), _mm256_set1_epi32(32));
    out.scale[0] = _mm256_mul_ps(broadcast_f16(at), _mm256_cvtepi32_ps(scale));
  }
};

struct CodecIq3Xxs {
  static constexpr int bytes() { return 98; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    const __m256i words = load_32(at + 66);
    const __m256i signs = sign_bytes(words);
    for (int b = 0; b < 8; ++b) {
      const __m256i bits = _mm256_permutevar8x32_epi32(signs, _mm256_set1_epi32(b));
      const __m256i q = magnitudes(load_bytes<uint64_t>(at + 2 + 8 * b));
      out.q[b] = negate_where(expand_bits(bits), q);
    }
    out.scale[0] = scales(at, words);
  }

  static __m256 scales(const std::byte* at, __m256i words) {
    const __m256 scale = _mm256_cvtepi32_ps(_mm256_srli_epi32(words, 28));
    const __m256 d = broadcast_f16(at);
    const __m256 half = _mm256_set1_ps(0.5f);
    return _mm256_mul_ps(_mm256_mul_ps(d, _mm256_add_ps(half, scale)), half);
  }

 private:
  static __m256i magnitudes(uint64_t indices) {
    const auto entry = [&](int i) {
      return static_cast<int32_t>(kIq3XxsGrid[indices >> 8 * i & 255]);
    };
    return _mm256_setr_epi32(
        entry(0), entry(1), entry(2), entry(3), entry(4), entry(5), entry(6), entry(7));
  }
};

// Types with a scale per 32 and no minimum by their scalar unpack function: for those that no file
// of note is full of.
class ScalarCodec {
 public:
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  explicit ScalarCodec(DType dtype)
      : unpack_row_(unpack_function(dtype)),
        bytes_(static_cast<int>(row_bytes(dtype, kSuperblockCols))),
        block_bytes_(dtype_traits(dtype).block_elements == 32 ? bytes_ / 8 : 0) {}

  int bytes() const { return bytes_; }
  int block_bytes() const { return block_bytes_; }

  void unpack(const std::byte* at, Superblock& out) const {
    alignas(32) int8_t q[kSuperblockCols];
    alignas(32) float scale[8];
    unpack_row_(at, kSuperblockCols, {q, scale, nullptr});
    for (int b = 0; b < 8; ++b)
      out.q[b] = _mm256_load_si256(reinterpret_cast<const __m256i*>(q + 32 * b));
    out.scale[0] = _mm256_load_ps(scale);
  }

 private:
  UnpackRow unpack_row_;
  int bytes_, block_bytes_;
};

}  // namespace
}  // namespace shoal::kernels::cpu
