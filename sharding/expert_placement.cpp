#include "sharding/expert_placement.h"

#include "runtime/base/check.h"

namespace shoal::sharding {

ExpertPlacement ExpertPlacement::contiguous(int num_experts, int ep) {
  SHOAL_ASSERT(ep >= 1 && num_experts >= 0, "{} experts on {} ranks", num_experts, ep);
  ExpertPlacement placement;
  placement.slots_.resize(static_cast<size_t>(num_experts));
  placement.experts_.resize(static_cast<size_t>(ep));
  int expert_id = 0;
  for (int ep_rank = 0; ep_rank < ep; ++ep_rank) {
    const int count = num_experts / ep + (ep_rank < num_experts % ep ? 1 : 0);
    for (int local = 0; local < count; ++local, ++expert_id) {
      placement.slots_[static_cast<size_t>(expert_id)] = {{ep_rank, local}};
      placement.experts_[static_cast<size_t>(ep_rank)].push_back(expert_id);
    }
  }
  return placement;
}

}  // namespace shoal::sharding
