// Compiled with -mavx2 -mfma: includes no header whose inline functions other files share.
#include <immintrin.h>

#include "transport/weighted_sum.h"

namespace shoal::transport {

void weighted_sum_avx2(const WeightedSumParams& params) {
  const int num_topk = params.num_topk;
  const float* const* const outputs = params.outputs;
  int64_t c = 0;
  for (; c + 16 <= params.hidden_size; c += 16) {
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    for (int k = 0; k < num_topk; ++k) {
      const __m256 weight = _mm256_set1_ps(params.weights[k]);
      low = _mm256_fmadd_ps(weight, _mm256_loadu_ps(outputs[k] + c), low);
      high = _mm256_fmadd_ps(weight, _mm256_loadu_ps(outputs[k] + c + 8), high);
    }
    float* const residual = params.residual + c;
    _mm256_storeu_ps(residual, _mm256_add_ps(_mm256_loadu_ps(residual), low));
    _mm256_storeu_ps(residual + 8, _mm256_add_ps(_mm256_loadu_ps(residual + 8), high));
  }
  for (; c < params.hidden_size; ++c) {
    __m128 sum = _mm_setzero_ps();
    for (int k = 0; k < num_topk; ++k)
      sum = _mm_fmadd_ss(_mm_load_ss(params.weights + k), _mm_load_ss(outputs[k] + c), sum);
    params.residual[c] = params.residual[c] + _mm_cvtss_f32(sum);
  }
}

}  // namespace shoal::transport
