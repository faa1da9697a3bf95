#include "transport/weighted_sum.h"

#include <cmath>

#include "runtime/base/env.h"

namespace shoal::transport {

void weighted_sum_portable(const WeightedSumParams& params) {
  for (int64_t c = 0; c < params.hidden_size; ++c) {
    float sum = 0;
    for (int k = 0; k < params.num_topk; ++k)
      sum = std::fma(params.weights[k], params.outputs[k][c], sum);
    params.residual[c] = params.residual[c] + sum;
  }
}

void (*select_weighted_sum())(const WeightedSumParams&) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      forced_isa() != "reference")
    return weighted_sum_avx2;
#endif
  return weighted_sum_portable;
}

}  // namespace shoal::transport
