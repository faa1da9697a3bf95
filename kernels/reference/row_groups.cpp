#include "kernels/ops/row_groups.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/math.h"
#include "kernels/reference/reference_ops.h"
#include "runtime/base/check.h"

namespace shoal::kernels::reference {

void group_rows(const GroupRowsParams& params, const Exec&) {
  const RowGroups& groups = params.groups;
  SHOAL_ASSERT(params.topk_ids.elements() == groups.num_pairs,
               "{} ids for {} pairs",
               params.topk_ids.elements(),
               groups.num_pairs);
  const int32_t* ids = params.topk_ids.i32();
  int32_t slot = 0;
  int num_active = 0;
  std::fill_n(groups.active, groups.num_experts, ActiveRows{});
  std::fill_n(groups.slot_of_pair, groups.num_pairs, -1);
  for (int expert = 0; expert < groups.num_experts; ++expert) {
    groups.starts[expert] = slot;
    for (int32_t pair = 0; pair < groups.num_pairs; ++pair) {
      if (ids[pair] != expert) continue;
      groups.row_of_slot[slot] = pair / groups.num_topk;
      groups.slot_of_pair[pair] = slot++;
    }
    if (slot > groups.starts[expert])
      groups.active[num_active++] = {.expert = expert,
                                     .first_slot = groups.starts[expert],
                                     .num_rows = slot - groups.starts[expert]};
  }
  groups.starts[groups.num_experts] = slot;
}

void combine_rows(const CombineRowsParams& params, const Exec&) {
  const int64_t num_topk = params.topk_weights.cols();
  for (int64_t token = 0; token < params.residual.rows(); ++token) {
    float* residual = params.residual.row(token);
    const float* weights = params.topk_weights.row(token);
    const int32_t* slots = params.slot_of_pair + token * num_topk;
    const bool shared = params.shared.data != nullptr;
    const float gate = shared ? sigmoid(params.shared_gate[token]) : 0.0f;
    for (int64_t i = 0; i < params.residual.cols(); ++i) {
      if (shared) residual[i] = std::fma(gate, params.shared.row(token)[i], residual[i]);
      float sum = 0;
      for (int64_t k = 0; k < num_topk; ++k)
        sum = std::fma(weights[k], params.expert_out.row(slots[k])[i], sum);
      residual[i] = residual[i] + sum;
    }
  }
}

}  // namespace shoal::kernels::reference
