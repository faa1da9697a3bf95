// Codecs of the code-book types with entries of eight columns (IQ1, IQ2) and of IQ3_S. What a codec
// is: codecs_avx2.h. The tables are too large for registers. Four entries of eight columns are
// loaded one by one, which is as fast as a gather instruction; eight of four columns are gathered.
#pragma once
#include "kernels/cpu/sign_bits_avx2.h"
#include "kernels/quant/codebooks.h"

namespace shoal::kernels::cpu {
namespace {

inline __m256i four_entries(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  return _mm256_setr_epi64x(static_cast<int64_t>(a),
                            static_cast<int64_t>(b),
                            static_cast<int64_t>(c),
                            static_cast<int64_t>(d));
}

// Block b's dword of `signs` decides the signs of q[b].
inline void apply_sign_bytes(__m256i signs, __m256i q[8]) {
  for (int b = 0; b < 8; ++b) {
    const __m256i bits = _mm256_permutevar8x32_epi32(signs, _mm256_set1_epi32(b));
    q[b] = negate_where(expand_bits(bits), q[b]);
  }
}

// (d * (0.5 + s)) * 0.25 for the halves of eight blocks; s are nibbles, low ones of first halves.
inline void unpack_half_step_scales(const std::byte* d, const std::byte* nibbles, Superblock& out) {
  const auto both = load_bytes<uint64_t>(nibbles);
  const __m256 scale = broadcast_f16(d);
  const auto finish = [&](uint64_t s) {
    const __m256 steps = _mm256_add_ps(_mm256_set1_ps(0.5f), floats_from_u8(s));
    return _mm256_mul_ps(_mm256_mul_ps(scale, steps), _mm256_set1_ps(0.25f));
  };
  out.scale[0] = finish(both & 0x0f0f0f0f0f0f0f0fu);
  out.scale[1] = finish(both >> 4 & 0x0f0f0f0f0f0f0f0fu);
}

struct CodecIq2Xxs {
  static constexpr int bytes() { return 66; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    for (int b = 0; b < 8; ++b) {
      const auto indices = load_bytes<uint32_t>(at + 2 + 8 * b);
      const auto entry = [&](int i) { return kIq2XxsGrid[indices >> 8 * i & 255]; };
      out.q[b] = four_entries(entry(0), entry(1), entry(2), entry(3));
    }
    // Every second dword: the four odd ones of each half, then the middle quarters swapped.
    const __m256 first = _mm256_castsi256_ps(load_32(at + 2));
    const __m256 second = _mm256_castsi256_ps(load_32(at + 34));
    const __m256i words =
        _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xdd)), 0xd8);
    apply_sign_bytes(sign_bytes(words), out.q);
    const __m256 steps =
        _mm256_add_ps(_mm256_set1_ps(0.5f), _mm256_cvtepi32_ps(_mm256_srli_epi32(words, 28)));
    out.scale[0] = _mm256_mul_ps(_mm256_mul_ps(broadcast_f16(at), steps), _mm256_set1_ps(0.25f));
  }
};

struct CodecIq2Xs {
  static constexpr int bytes() { return 74; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = true, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    for (int b = 0; b < 8; ++b) {
      const auto words = load_bytes<uint64_t>(at + 2 + 8 * b);
      const auto entry = [&](int i) { return kIq2XsGrid[words >> 16 * i & 511]; };
      out.q[b] = four_entries(entry(0), entry(1), entry(2), entry(3));
    }
    // The top seven bits of 32 words to 32 bytes; packing works inside halves.
    const __m256i low = _mm256_srli_epi16(load_32(at + 2), 9);
    const __m256i high = _mm256_srli_epi16(load_32(at + 34), 9);
    const __m256i indices = _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xd8);
    apply_sign_bytes(make_even(indices), out.q);
    unpack_half_step_scales(at, at + 66, out);
  }
};

struct CodecIq2S {
  static constexpr int bytes() { return 82; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = true, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    for (int b = 0; b < 8; ++b) {
      const auto low = load_bytes<uint32_t>(at + 2 + 4 * b);
      const auto high = std::to_integer<uint32_t>(at[66 + b]);
      const auto entry = [&](int i) {
        return kIq2SGrid[(low >> 8 * i & 255) | (high >> 2 * i & 3) << 8];
      };
      out.q[b] = four_entries(entry(0), entry(1), entry(2), entry(3));
    }
    apply_sign_bytes(load_32(at + 34), out.q);
    unpack_half_step_scales(at, at + 74, out);
  }
};

struct CodecIq3S {
  static constexpr int bytes() { return 110; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    for (int b = 0; b < 8; ++b) {
      const __m256i low =
          _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at + 2 + 8 * b)));
      // Bit i of a byte to bit 8 of dword i.
      const __m256i ninths =
          _mm256_and_si256(_mm256_sllv_epi32(_mm256_set1_epi32(std::to_integer<int>(at[66 + b])),
                                             _mm256_setr_epi32(8, 7, 6, 5, 4, 3, 2, 1)),
                           _mm256_set1_epi32(256));
      out.q[b] = _mm256_i32gather_epi32(
          reinterpret_cast<const int*>(kIq3SGrid.data()), _mm256_or_si256(low, ninths), 4);
    }
    apply_sign_bytes(load_32(at + 74), out.q);
    // Nibble b of four bytes.
    const __m256i nibbles = _mm256_set1_epi32(load_bytes<int32_t>(at + 106));
    const __m256i s =
        _mm256_and_si256(_mm256_srlv_epi32(nibbles, _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28)),
                         _mm256_set1_epi32(15));
    const __m256i odd = _mm256_add_epi32(_mm256_add_epi32(s, s), _mm256_set1_epi32(1));
    out.scale[0] = _mm256_mul_ps(broadcast_f16(at), _mm256_cvtepi32_ps(odd));
  }
};

// Eight times a number -1, 0 or 1, plus `eighth` (1 or -1, in every byte).
inline __m256i eight_times_plus(__m256i entries, __m256i eighth) {
  const __m256i times_8 =
      _mm256_and_si256(_mm256_slli_epi16(entries, 3), _mm256_set1_epi8(static_cast<char>(0xf8)));
  return _mm256_add_epi8(times_8, eighth);
}

// (d * (2 s + 1)) * 0.125
inline __m256 odd_eighth_scales(__m256 d, __m256i s) {
  const __m256i odd = _mm256_add_epi32(_mm256_add_epi32(s, s), _mm256_set1_epi32(1));
  return _mm256_mul_ps(_mm256_mul_ps(d, _mm256_cvtepi32_ps(odd)), _mm256_set1_ps(0.125f));
}

struct CodecIq1S {
  static constexpr int bytes() { return 50; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = false, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    for (int b = 0; b < 8; ++b) {
      const auto low = load_bytes<uint32_t>(at + 2 + 4 * b);
      const uint32_t word = load_bytes<uint16_t>(at + 34 + 2 * b);
      const auto entry = [&](int i) {
        return kIq1Grid[(low >> 8 * i & 255) | (word >> 3 * i & 7) << 8];
      };
      const __m256i eighth = _mm256_set1_epi8(word & 0x8000 ? -1 : 1);
      out.q[b] = eight_times_plus(four_entries(entry(0), entry(1), entry(2), entry(3)), eighth);
    }
    const __m256i words = _mm256_cvtepu16_epi32(load_16(at + 34));
    const __m256i s = _mm256_and_si256(_mm256_srli_epi32(words, 12), _mm256_set1_epi32(7));
    out.scale[0] = odd_eighth_scales(broadcast_f16(at), s);
  }
};

struct CodecIq1M {
  static constexpr int bytes() { return 56; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = true, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    for (int b = 0; b < 8; ++b) {
      const auto low = load_bytes<uint32_t>(at + 4 * b);
      const uint32_t nibbles = load_bytes<uint16_t>(at + 32 + 2 * b);
      const auto entry = [&](int i) {
        return kIq1Grid[(low >> 8 * i & 255) | (nibbles >> 4 * i & 7) << 8];
      };
      const auto eighth = [&](int i) { return nibbles >> 4 * i & 8 ? ~uint64_t{0} : kOnes; };
      out.q[b] = eight_times_plus(four_entries(entry(0), entry(1), entry(2), entry(3)),
                                  four_entries(eighth(0), eighth(1), eighth(2), eighth(3)));
    }
    unpack_scales(at + 48, out);
  }

 private:
  static constexpr uint64_t kOnes = 0x0101010101010101u;

  // Four words of four 3-bit scales; their top nibbles are the bits of d. Word w has the scales of
  // blocks 2 w and 2 w + 1: first half, second half, first half, second half.
  static void unpack_scales(const std::byte* at, Superblock& out) {
    const auto words = load_bytes<uint64_t>(at);
    const uint64_t d_bits =
        (words >> 12 & 0xf) | (words >> 24 & 0xf0) | (words >> 36 & 0xf00) | (words >> 48 & 0xf000);
    const __m256 d = _mm256_set1_ps(f32_from_f16(static_cast<uint16_t>(d_bits)));
    // Dword b of the widened words, twice each.
    const __m128i pairs = _mm_cvtsi64_si128(static_cast<int64_t>(words));
    const __m256i twice = _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(pairs, pairs));
    const __m256i seven = _mm256_set1_epi32(7);
    const auto shifted = [&](__m256i by) {
      return _mm256_and_si256(_mm256_srlv_epi32(twice, by), seven);
    };
    out.scale[0] = odd_eighth_scales(d, shifted(_mm256_setr_epi32(0, 6, 0, 6, 0, 6, 0, 6)));
    out.scale[1] = odd_eighth_scales(d, shifted(_mm256_setr_epi32(3, 9, 3, 9, 3, 9, 3, 9)));
  }
};

}  // namespace
}  // namespace shoal::kernels::cpu
