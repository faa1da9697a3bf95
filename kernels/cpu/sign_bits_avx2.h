// One bit a column to one byte a column, and the sign indices of the code-book types. Unnamed
// namespace: see superblock_avx2.h.
#pragma once
#include <array>

#include "kernels/cpu/superblock_avx2.h"

namespace shoal::kernels::cpu {
namespace {

// All ones in byte i where bit i is set.
inline __m256i expand_bits(__m256i bits_in_every_dword) {
  // Byte i looks at bit i % 8 of byte i / 8.
  const __m256i byte_of_column =
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit_of_column = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
  const __m256i bits =
      _mm256_and_si256(_mm256_shuffle_epi8(bits_in_every_dword, byte_of_column), bit_of_column);
  return _mm256_cmpeq_epi8(bits, bit_of_column);
}

inline __m256i expand_bits(uint32_t bits) {
  return expand_bits(_mm256_set1_epi32(static_cast<int32_t>(bits)));
}

// -q where `minus` is all ones, q where it is 0.
inline __m256i negate_where(__m256i minus, __m256i q) {
  return _mm256_sub_epi8(_mm256_xor_si256(q, minus), minus);
}

// Bytes of seven sign bits: the top bit is set to make the number of ones even.
inline __m256i make_even(__m256i seven_bits) {
  // Top bit for nibbles with an odd number of ones.
  static constexpr std::array<uint8_t, 16> kOddNibbles = {
      0, 128, 128, 0, 128, 0, 0, 128, 128, 0, 0, 128, 0, 128, 128, 0};
  const __m256i folded = _mm256_and_si256(
      _mm256_xor_si256(seven_bits, _mm256_srli_epi16(seven_bits, 4)), _mm256_set1_epi8(15));
  const __m256i odd = _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(kOddNibbles.data())));
  return _mm256_or_si256(seven_bits, _mm256_shuffle_epi8(odd, folded));
}

// Four 7-bit indices a word (its top four bits are something else) to four bytes of eight signs.
inline __m256i sign_bytes(__m256i words) {
  const auto seven = [&](int k) {
    return _mm256_and_si256(_mm256_slli_epi32(words, k), _mm256_set1_epi32(0x7f << 8 * k));
  };
  return make_even(
      _mm256_or_si256(_mm256_or_si256(seven(0), seven(1)), _mm256_or_si256(seven(2), seven(3))));
}

}  // namespace
}  // namespace shoal::kernels::cpu
