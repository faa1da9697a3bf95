// Codecs of q2_K and q3_K. What a codec is: codecs_avx2.h.
#pragma once
#include "kernels/cpu/superblock_avx2.h"

namespace shoal::kernels::cpu {
namespace {

// Sixteen bytes, one a group of 16 columns, to the order of Superblock::scale: first halves of the
// blocks, then second halves.
inline __m128i halves_apart(__m128i groups) {
  return _mm_shuffle_epi8(groups,
                          _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
}

// Two-bit quants of 256 columns: pair k of byte r in half h is column r of block 4 h + k.
inline void unpack_two_bits(const std::byte* at, __m256i q[8]) {
  const __m256i three = _mm256_set1_epi8(3);
  for (int half = 0; half < 2; ++half) {
    const __m256i pairs = load_32(at + 32 * half);
    q[4 * half] = _mm256_and_si256(pairs, three);
    q[4 * half + 1] = _mm256_and_si256(_mm256_srli_epi16(pairs, 2), three);
    q[4 * half + 2] = _mm256_and_si256(_mm256_srli_epi16(pairs, 4), three);
    q[4 * half + 3] = _mm256_and_si256(_mm256_srli_epi16(pairs, 6), three);
  }
}

struct CodecQ2_K {
  static constexpr int bytes() { return 84; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = true, kUnsigned = true;
  static constexpr int kMinGroup = 16;

  static void unpack(const std::byte* at, Superblock& out) {
    unpack_two_bits(at + 16, out.q);
    const __m128i both = halves_apart(load_16(at));
    const __m128i low_mask = _mm_set1_epi8(15);
    const __m128i scales = _mm_and_si128(both, low_mask);
    const __m128i mins = _mm_and_si128(_mm_srli_epi16(both, 4), low_mask);
    const __m256 d = broadcast_f16(at + 80);
    const __m256 dmin = broadcast_f16(at + 82);
    out.scale[0] = _mm256_mul_ps(d, floats_from_i8(scales));
    out.scale[1] = _mm256_mul_ps(d, floats_from_i8(_mm_srli_si128(scales, 8)));
    out.min[0] = _mm256_mul_ps(dmin, floats_from_i8(mins));
    out.min[1] = _mm256_mul_ps(dmin, floats_from_i8(_mm_srli_si128(mins, 8)));
  }
};

struct CodecQ3_K {
  static constexpr int bytes() { return 110; }
  static constexpr int block_bytes() { return 0; }
  static constexpr bool kSplit = true, kUnsigned = false;
  static constexpr int kMinGroup = 0;

  static void unpack(const std::byte* at, Superblock& out) {
    unpack_two_bits(at + 32, out.q);
    __m256i thirds = load_32(at);
    const __m256i one = _mm256_set1_epi8(1), four = _mm256_set1_epi8(4);
    for (int b = 0; b < 8; ++b) {
      // Bit b of each byte is this block's third bit, and a clear one takes 4 away.
      const __m256i third = _mm256_slli_epi16(_mm256_and_si256(thirds, one), 2);
      out.q[b] = _mm256_sub_epi8(_mm256_or_si256(out.q[b], third), four);
      thirds = _mm256_srli_epi16(thirds, 1);
    }
    const __m128i groups = halves_apart(scales(at + 96));
    const __m256 d = broadcast_f16(at + 108);
    out.scale[0] = _mm256_mul_ps(d, floats_from_i8(groups));
    out.scale[1] = _mm256_mul_ps(d, floats_from_i8(_mm_srli_si128(groups, 8)));
  }

 private:
  // Groups 0..7 have their low nibbles in the low halves of eight bytes, 8..15 in the high halves;
  // four bytes more hold two high bits of groups 0..3, 4..7, 8..11 and 12..15.
  static __m128i scales(const std::byte* at) {
    const auto nibbles = load_bytes<uint64_t>(at);
    const auto pairs = load_bytes<uint32_t>(at + 8);
    const auto high = [&](int quarter) {
      return static_cast<uint64_t>((pairs >> 2 * quarter & 0x03030303u) << 4);
    };
    const uint64_t first = (nibbles & 0x0f0f0f0f0f0f0f0fu) | high(0) | high(1) << 32;
    const uint64_t second = (nibbles >> 4 & 0x0f0f0f0f0f0f0f0fu) | high(2) | high(3) << 32;
    const __m128i six_bits =
        _mm_set_epi64x(static_cast<int64_t>(second), static_cast<int64_t>(first));
    return _mm_sub_epi8(six_bits, _mm_set1_epi8(32));
  }
};

}  // namespace
}  // namespace shoal::kernels::cpu
