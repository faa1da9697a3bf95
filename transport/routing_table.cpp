#include "transport/routing_table.h"

#include "runtime/base/check.h"

namespace shoal::transport {
namespace {

// Of an expert with replicas: the one here, else spread by the asking rank.
sharding::ExpertSlot choose_slot(std::span<const sharding::ExpertSlot> slots, int own_ep_rank) {
  for (const auto& slot : slots)
    if (slot.ep_rank == own_ep_rank) return slot;
  return slots[static_cast<size_t>(own_ep_rank) % slots.size()];
}

}  // namespace

void RoutingTable::build(std::span<const int32_t> topk_ids,
                         int num_topk,
                         const sharding::ExpertPlacement& placement,
                         int own_ep_rank) {
  num_topk_ = num_topk;
  destinations_.resize(static_cast<size_t>(placement.ep()));
  for (Destination& destination : destinations_) {
    destination.tokens.clear();
    destination.pairs.clear();
  }
  homes_.clear();
  for (size_t i = 0; i < topk_ids.size(); ++i) {
    const int32_t expert_id = topk_ids[i];
    SHOAL_ASSERT(expert_id >= 0 && expert_id < placement.num_experts(),
                 "expert {} of {}",
                 expert_id,
                 placement.num_experts());
    const auto token = static_cast<int32_t>(i / static_cast<size_t>(num_topk));
    const sharding::ExpertSlot slot = choose_slot(placement.slots(expert_id), own_ep_rank);
    Destination& destination = destinations_[static_cast<size_t>(slot.ep_rank)];
    if (destination.tokens.empty() || destination.tokens.back() != token)
      destination.tokens.push_back(token);
    homes_.push_back({slot.ep_rank, static_cast<int32_t>(destination.pairs.size())});
    destination.pairs.push_back(
        {static_cast<int32_t>(destination.tokens.size()) - 1, slot.local_expert_idx});
  }
}

}  // namespace shoal::transport
