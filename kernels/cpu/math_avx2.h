// kernels/math.h and kernels/lanes.h on eight floats at a time, the same bits element for element.
// Only for sources that are compiled for AVX2 (*_avx2.cpp). `Tail` handles the last, partial
// vector.
#pragma once
#include <immintrin.h>

#include "kernels/lanes.h"
#include "kernels/math.h"

namespace shoal::kernels::cpu {

using kernels::exp_f32;
using kernels::sigmoid;
using kernels::silu;

static inline __m256 exp_f32(__m256 x) {
  // min and max return their second operand for a NaN, as the scalar comparisons keep x.
  x = _mm256_max_ps(_mm256_set1_ps(kExpMin), x);
  x = _mm256_min_ps(_mm256_set1_ps(kExpMax), x);
  const __m256 magic = _mm256_set1_ps(kRoundMagic);
  const __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(kLog2E), magic);
  const __m256 n = _mm256_sub_ps(shifted, magic);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2High), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2Low), r);
  __m256 p = _mm256_set1_ps(kExpTaylor[0]);
  for (int i = 1; i < 8; ++i) p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kExpTaylor[i]));
  const __m256i exponent =
      _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_castps_si256(magic));
  const __m256i half = _mm256_srai_epi32(exponent, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i second =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(exponent, half), bias), 23);
  return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}

// 1 + e^-x. The sign is flipped as the scalar negation does, not by 0 - x.
static inline __m256 one_plus_exp_minus(__m256 x) {
  const __m256 minus_x = _mm256_xor_ps(x, _mm256_set1_ps(-0.0f));
  return _mm256_add_ps(_mm256_set1_ps(1.0f), exp_f32(minus_x));
}

static inline __m256 sigmoid(__m256 x) {
  return _mm256_div_ps(_mm256_set1_ps(1.0f), one_plus_exp_minus(x));
}

static inline __m256 silu(__m256 x) { return _mm256_div_ps(x, one_plus_exp_minus(x)); }

// Eight elements of a row.
struct Whole {
  __m256 load(const float* from) const { return _mm256_loadu_ps(from); }
  void store(float* to, __m256 value) const { _mm256_storeu_ps(to, value); }
  __m256 select(__m256, __m256 changed) const { return changed; }
};

// The last `count` (1 to 7) elements of a row.
class Tail {
 public:
  explicit Tail(int64_t count) {
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    mask_ = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), index);
  }
  __m256 load(const float* from) const { return _mm256_maskload_ps(from, mask_); }
  void store(float* to, __m256 value) const { _mm256_maskstore_ps(to, mask_, value); }
  // `changed` inside the row, `kept` beyond it.
  __m256 select(__m256 kept, __m256 changed) const {
    return _mm256_blendv_ps(kept, changed, _mm256_castsi256_ps(mask_));
  }

 private:
  __m256i mask_;
};

// body(k, part) for k = 0, 8, ...; part is Whole but for a partial last vector.
template <class Body>
static inline void for_each_vector(int64_t count, const Body& body) {
  int64_t k = 0;
  for (; k + kLanes <= count; k += kLanes) body(k, Whole{});
  if (k < count) body(k, Tail(count - k));
}

static inline float lane_tree(__m256 lanes) {
  const __m256 pairs = _mm256_hadd_ps(lanes, lanes);
  const __m256 fours = _mm256_hadd_ps(pairs, pairs);
  return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
}

static inline float lane_dot(const float* a, const float* b, int64_t count) {
  __m256 lanes = _mm256_setzero_ps();
  for_each_vector(count, [&](int64_t k, auto part) {
    lanes = part.select(lanes, _mm256_fmadd_ps(part.load(a + k), part.load(b + k), lanes));
  });
  return lane_tree(lanes);
}

// The largest of eight by comparison alone, so exact in any order.
static inline float lane_max(__m256 lanes) {
  const __m256 swapped = _mm256_max_ps(lanes, _mm256_permute2f128_ps(lanes, lanes, 1));
  const __m256 pairs = _mm256_max_ps(swapped, _mm256_permute_ps(swapped, 0b01001110));
  return _mm256_cvtss_f32(_mm256_max_ps(pairs, _mm256_permute_ps(pairs, 0b10110001)));
}

}  // namespace shoal::kernels::cpu
