#include "transport/expert_all_to_all.h"

#include <utility>

#include "runtime/base/check.h"
#include "transport/dispatch_message.h"
#include "transport/host_expert_all_to_all.h"
#include "transport/local_experts.h"
#include "transport/routing_table.h"

namespace shoal::transport {

std::unique_ptr<ExpertAllToAll> make_expert_all_to_all(HostComm& comm,
                                                       std::vector<int> group_ranks,
                                                       const sharding::ExpertPlacement& placement,
                                                       AllToAllShape shape) {
  SHOAL_ASSERT(shape.hidden_size > 0 && shape.num_topk > 0 && shape.max_token_capacity > 0,
               "hidden {}, top-k {}, capacity {}",
               shape.hidden_size,
               shape.num_topk,
               shape.max_token_capacity);
  if (group_ranks.size() == 1) return std::make_unique<LocalExperts>(placement, shape);
  return std::make_unique<HostExpertAllToAll>(comm, std::move(group_ranks), placement, shape);
}

WireBytes expected_wire_bytes(const std::vector<std::vector<int32_t>>& topk_ids_by_rank,
                              int ep_rank,
                              const sharding::ExpertPlacement& placement,
                              AllToAllShape shape,
                              kernels::ActivationFormat format) {
  WireBytes bytes;
  RoutingTable table;
  for (int source = 0; source < placement.ep(); ++source) {
    table.build(topk_ids_by_rank[static_cast<size_t>(source)], shape.num_topk, placement, source);
    if (source != ep_rank) {  // its outputs go back
      bytes.combine +=
          table.to(ep_rank).pairs.size() * static_cast<size_t>(shape.hidden_size) * sizeof(float);
      continue;
    }
    for (int to = 0; to < placement.ep(); ++to)
      if (to != ep_rank)
        bytes.dispatch += dispatch_message_bytes(
            table.to(to).tokens.size(), table.to(to).pairs.size(), shape.hidden_size, format);
  }
  return bytes;
}

}  // namespace shoal::transport
