// Eight consecutive 32-blocks of a weight row, unpacked into registers. The eight float lanes of
// the row arithmetic are block index mod 8, so one vector holds one number for each lane.
//
// This header and those that stand on it keep their names in an unnamed namespace: sources for
// several instruction sets include them, and the linker must not swap one's code for another's.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/quant/half.h"

namespace shoal::kernels::cpu {
namespace {

inline constexpr int kSuperblockBlocks = 8;
inline constexpr int kSuperblockCols = 256;
// Of any type: eight q8_0 blocks.
inline constexpr int kMaxSuperblockBytes = 272;

struct Superblock {
  __m256i q[8];     // int8 quants of block b
  __m256 scale[2];  // lane b: scale of block b; [1]: of its second half, for groups of 16
  __m256 min[2];    // the same of minima, for types that have them
};

inline __m128i load_16(const std::byte* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
inline __m256i load_32(const std::byte* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

// 16 bytes of nibbles to 32: low ones first.
inline __m256i split_nibbles(__m128i bytes) {
  const __m256i both = _mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

// Eight unsigned or signed bytes to floats.
inline __m256 floats_from_u8(uint64_t bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes))));
}
inline __m256 floats_from_i8(__m128i low_bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low_bytes));
}

// One f16 number in every lane.
inline __m256 broadcast_f16(const std::byte* at) {
  return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(load_bytes<uint16_t>(at))));
}

// Eight f16 numbers, `stride` bytes apart.
inline __m256 gather_f16(const std::byte* at, int stride) {
  const auto bits = [&](int i) { return load_bytes<int16_t>(at + i * stride); };
  return _mm256_cvtph_ps(
      _mm_setr_epi16(bits(0), bits(1), bits(2), bits(3), bits(4), bits(5), bits(6), bits(7)));
}

}  // namespace
}  // namespace shoal::kernels::cpu
