// The two inner products of attention, register-blocked: scores of two queries against four keys,
// and the weighted sum of values for one or two queries. The order of every single sum is that of
// kernels/ops/attention.h; blocking only chooses which sums are in flight together.
#pragma once
#include "kernels/cpu/math_avx2.h"

namespace shoal::kernels::cpu {

// Four register sums at once: lane_tree of each.
static inline __m128 lane_trees(const __m256 (&sums)[4]) {
  const __m256 pairs_01 = _mm256_hadd_ps(sums[0], sums[1]);
  const __m256 pairs_23 = _mm256_hadd_ps(sums[2], sums[3]);
  const __m256 fours = _mm256_hadd_ps(pairs_01, pairs_23);
  return _mm_add_ps(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1));
}

// scores[r][i] = (query[r] . keys[i]) * scale for i = 0..3.
static inline void score_2x4(const float* const (&query)[2],
                             const float* const* keys,
                             int head_dim,
                             float scale,
                             float* const (&scores)[2]) {
  __m256 sums[2][4];
  for (auto& row : sums)
    for (__m256& sum : row) sum = _mm256_setzero_ps();
  for (int k = 0; k < head_dim; k += kLanes) {
    const __m256 q0 = _mm256_loadu_ps(query[0] + k);
    const __m256 q1 = _mm256_loadu_ps(query[1] + k);
    for (int i = 0; i < 4; ++i) {
      const __m256 key = _mm256_loadu_ps(keys[i] + k);
      sums[0][i] = _mm256_fmadd_ps(q0, key, sums[0][i]);
      sums[1][i] = _mm256_fmadd_ps(q1, key, sums[1][i]);
    }
  }
  for (int r = 0; r < 2; ++r)
    _mm_storeu_ps(scores[r], _mm_mul_ps(lane_trees(sums[r]), _mm_set1_ps(scale)));
}

// The scores of one split, `count` of them, become w in place, with zeros up to a whole vector.
struct SplitSums {
  float max;
  float sum;
};

static inline SplitSums exponentiate(float* scores, int count) {
  __m256 max = _mm256_set1_ps(scores[0]);
  for_each_vector(count, [&](int64_t i, auto part) {
    max = part.select(max, _mm256_max_ps(part.load(scores + i), max));
  });
  const float largest = lane_max(max);
  __m256 sum = _mm256_setzero_ps();
  for_each_vector(count, [&](int64_t i, auto part) {
    const __m256 w = exp_f32(_mm256_sub_ps(_mm256_loadu_ps(scores + i), _mm256_set1_ps(largest)));
    const __m256 valid = part.select(_mm256_setzero_ps(), w);
    _mm256_storeu_ps(scores + i, valid);
    sum = _mm256_add_ps(sum, valid);
  });
  return {largest, lane_tree(sum)};
}

// acc[r][d] = fma(w[r][i], values[i][d], acc[r][d]) over rising i, for kVectors * 8 columns.
template <int kRows, int kVectors>
static inline void accumulate_columns(const float* const (&w)[kRows],
                                      const float* const* values,
                                      int count,
                                      int column,
                                      float* const (&acc)[kRows]) {
  __m256 sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < kVectors; ++c) sums[r][c] = _mm256_loadu_ps(acc[r] + column + c * kLanes);
  for (int i = 0; i < count; ++i) {
    const float* v = values[i] + column;
    __m256 weight[kRows];
    for (int r = 0; r < kRows; ++r) weight[r] = _mm256_broadcast_ss(w[r] + i);
    for (int c = 0; c < kVectors; ++c) {
      const __m256 value = _mm256_loadu_ps(v + c * kLanes);
      for (int r = 0; r < kRows; ++r) sums[r][c] = _mm256_fmadd_ps(weight[r], value, sums[r][c]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < kVectors; ++c) _mm256_storeu_ps(acc[r] + column + c * kLanes, sums[r][c]);
}

template <int kRows>
static inline void accumulate_values(const float* const (&w)[kRows],
                                     const float* const* values,
                                     int count,
                                     int head_dim,
                                     float* const (&acc)[kRows]) {
  int column = 0;
  for (; column + 4 * kLanes <= head_dim; column += 4 * kLanes)
    accumulate_columns<kRows, 4>(w, values, count, column, acc);
  for (; column < head_dim; column += kLanes)
    accumulate_columns<kRows, 1>(w, values, count, column, acc);
}

}  // namespace shoal::kernels::cpu
