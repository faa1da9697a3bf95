#include <algorithm>
#include <array>

#include "kernels/lanes.h"
#include "kernels/math.h"
#include "kernels/reference/reference_ops.h"
#include "runtime/base/check.h"

namespace shoal::kernels::reference {

void router_topk(const RouterParams& params, const Exec& exec) {
  const int num_experts = static_cast<int>(params.logits.cols());
  SHOAL_ASSERT(num_experts <= kMaxExperts && params.num_topk <= num_experts,
               "{} of {} experts",
               params.num_topk,
               num_experts);
  std::array<float, kMaxExperts> p;
  for (int64_t t = 0; t < params.logits.rows(); ++t) {
    const float* logits = params.logits.row(t);
    float max = logits[0];
    for (int i = 0; i < num_experts; ++i) max = logits[i] > max ? logits[i] : max;
    for (int i = 0; i < num_experts; ++i) p[i] = exp_f32(logits[i] - max);
    const float sum = lane_sum(p.data(), num_experts);
    for (int i = 0; i < num_experts; ++i) p[i] = p[i] / sum;

    int32_t* ids = params.topk_ids.i32() + t * params.num_topk;
    float* weights = params.topk_weights.row(t);
    std::array<bool, kMaxExperts> taken{};
    float chosen_sum = 0.0f;
    for (int k = 0; k < params.num_topk; ++k) {
      int best = -1;
      for (int i = 0; i < num_experts; ++i)
        if (!taken[i] && (best < 0 || p[i] > p[best])) best = i;
      taken[best] = true;
      ids[k] = best;
      weights[k] = p[best];
      chosen_sum += p[best];
    }
    const float divisor = std::max(chosen_sum, kMinTopkSum);
    for (int k = 0; k < params.num_topk; ++k) weights[k] = weights[k] / divisor;
  }
  if (params.groups != nullptr) group_rows({params.topk_ids, *params.groups}, exec);
}

}  // namespace shoal::kernels::reference
