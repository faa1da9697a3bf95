// The layout of weight tiles for byte products with AVX-512 VNNI.
#pragma once
#include "kernels/cpu/weight_tile_avx2.h"

namespace shoal::kernels::cpu {
namespace {

// Four columns of int8 a lane, made unsigned by adding 128: [quad of 8][row of 16][4].
struct ColumnQuads {
  static constexpr int kBlockBytes = 8 * kRows * 4;
  static constexpr int kUnits = 8;
  static constexpr int kUnitCols = 4;
  static constexpr int kHalfBytes = 8 * 4;

  // A transpose of 8 x 8 32-bit units.
  static void interleave(const int8_t (*rows)[kActivationBlock], std::byte* bytes) {
    __m256i two[8];
    for (int i = 0; i < 4; ++i) {
      const __m256i upper = row(rows[2 * i]);
      const __m256i lower = row(rows[2 * i + 1]);
      two[2 * i] = _mm256_unpacklo_epi32(upper, lower);
      two[2 * i + 1] = _mm256_unpackhi_epi32(upper, lower);
    }
    for (int i = 0; i < 2; ++i) {
      const __m256i even[2] = {_mm256_unpacklo_epi64(two[i], two[2 + i]),
                               _mm256_unpacklo_epi64(two[4 + i], two[6 + i])};
      const __m256i odd[2] = {_mm256_unpackhi_epi64(two[i], two[2 + i]),
                              _mm256_unpackhi_epi64(two[4 + i], two[6 + i])};
      store(_mm256_permute2x128_si256(even[0], even[1], 0x20), 2 * i, bytes);
      store(_mm256_permute2x128_si256(odd[0], odd[1], 0x20), 2 * i + 1, bytes);
      store(_mm256_permute2x128_si256(even[0], even[1], 0x31), 2 * i + 4, bytes);
      store(_mm256_permute2x128_si256(odd[0], odd[1], 0x31), 2 * i + 5, bytes);
    }
  }

 private:
  static __m256i row(const int8_t* q) {
    return _mm256_xor_si256(_mm256_load_si256(reinterpret_cast<const __m256i*>(q)),
                            _mm256_set1_epi8(-128));
  }
  static void store(__m256i quad, int index, std::byte* bytes) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(bytes + index * kRows * 4), quad);
  }
};

}  // namespace
}  // namespace shoal::kernels::cpu
