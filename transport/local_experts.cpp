#include "transport/local_experts.h"

#include "runtime/base/check.h"
#include "transport/routing_check.h"

namespace shoal::transport {

LocalExperts::LocalExperts(const sharding::ExpertPlacement& placement, AllToAllShape shape)
    : placement_(placement),
      shape_(shape),
      grouping_(static_cast<int>(placement.experts(0).size()), shape.hidden_size) {}

DispatchHandle LocalExperts::start_dispatch(const Routing& routing, const Exec& exec) {
  check_routing(routing, shape_);
  table_.build(topk_ids_of(routing), shape_.num_topk, placement_, 0);
  sum_.start(topk_weights_of(routing), shape_.num_topk);
  // Every token has an expert here, so row i of the destination is token i.
  const ExpertGrouping::Source source{routing.rows, table_.to(0).pairs};
  grouping_.group({&source, 1}, routing.rows.format, exec);
  return {};
}

ExpertRows LocalExperts::finish_dispatch(DispatchHandle&, const Exec&) {
  return {.rows = grouping_.rows(), .tokens_per_expert = grouping_.tokens_per_expert()};
}

void LocalExperts::combine(DispatchHandle&&,
                           TensorView expert_out,
                           TensorView residual,
                           const Exec& exec) {
  const std::span<const int32_t> row_map = grouping_.row_map(0);
  SHOAL_ASSERT(expert_out.rows() == static_cast<int64_t>(row_map.size()),
               "{} rows of expert output for {} pairs",
               expert_out.rows(),
               row_map.size());
  const std::span<const float*> outputs = sum_.outputs();
  for (size_t pair = 0; pair < row_map.size(); ++pair)  // pairs are in (token, k) order
    outputs[pair] = expert_out.row(row_map[pair]);
  sum_.add_to(residual, exec);
}

}  // namespace shoal::transport
