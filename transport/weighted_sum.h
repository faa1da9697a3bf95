// The owner's addition of a token's expert outputs, in the router's order:
//   sum = 0; sum = fma(weights[k], outputs[k][c], sum) for k = 0..; residual[c] = residual[c] + sum
// Every version gives the same bits.
#pragma once
#include <cstdint>

namespace shoal::transport {

struct WeightedSumParams {
  const float* const* outputs = nullptr;  // [num_topk] pointers to [hidden]
  const float* weights = nullptr;         // [num_topk]
  int num_topk = 0;
  float* residual = nullptr;  // [hidden], in and out
  int64_t hidden_size = 0;
};

void weighted_sum_portable(const WeightedSumParams& params);
void weighted_sum_avx2(const WeightedSumParams& params);  // x86-64 builds only; needs AVX2 and FMA

// The fastest that this machine and SHOAL_FORCE_ISA allow.
void (*select_weighted_sum())(const WeightedSumParams&);

}  // namespace shoal::transport
