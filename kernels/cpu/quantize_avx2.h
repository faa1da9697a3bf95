// One block of activations to integers, the vector twin of kernels/reference/quantize_rows.cpp.
#pragma once
#include <immintrin.h>

#include <cmath>
#include <cstdint>

namespace shoal::kernels::cpu {
namespace {

struct BlockScale {
  float scale;
  float sum;  // scale * (integer sum)
};

// The 32 values as four vectors of int32 in column order.
inline BlockScale quantize_block(const __m256 x[4], float limit, __m256i out[4]) {
  const __m256 magnitude_mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 largest = _mm256_setzero_ps();
  // max(a, b) gives b when a is NaN, so NaN inputs are passed over.
  for (int i = 0; i < 4; ++i) largest = _mm256_max_ps(_mm256_and_ps(x[i], magnitude_mask), largest);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  four = _mm_max_ss(four, _mm_movehdup_ps(four));
  const float m = _mm_cvtss_f32(four);
  const float inverse = limit / m;
  if (std::isinf(inverse)) {
    for (int i = 0; i < 4; ++i) out[i] = _mm256_setzero_si256();
    return {0.0f, 0.0f};
  }
  __m256i total = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    __m256 v = _mm256_mul_ps(x[i], _mm256_set1_ps(inverse));
    v = _mm256_min_ps(v, _mm256_set1_ps(limit));
    v = _mm256_max_ps(v, _mm256_set1_ps(-limit));
    out[i] = _mm256_cvtps_epi32(v);
    total = _mm256_add_epi32(total, out[i]);
  }
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
  sum = _mm_add_epi32(sum, _mm_srli_si128(sum, 8));
  sum = _mm_add_epi32(sum, _mm_srli_si128(sum, 4));
  const float scale = m / limit;
  return {scale, scale * static_cast<float>(_mm_cvtsi128_si32(sum))};
}

inline void store_block(const __m256i values[4], int16_t* out) {
  for (int i = 0; i < 2; ++i) {
    // Packing works inside 128-bit halves; the permutation puts the quarters in order.
    const __m256i packed = _mm256_packs_epi32(values[2 * i], values[2 * i + 1]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16 * i),
                        _mm256_permute4x64_epi64(packed, 0xd8));
  }
}

inline void store_block(const __m256i values[4], int8_t* out) {
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(values[0], values[1]),
                                            _mm256_packs_epi32(values[2], values[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(packed, order));
}

}  // namespace
}  // namespace shoal::kernels::cpu
