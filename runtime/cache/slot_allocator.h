// Recurrent-state slots of one home group: one a running sequence, `num_slots` of ShardPlan.
#pragma once
#include "runtime/cache/id_pool.h"

namespace shoal::cache {

class SlotAllocator : public IdPool {
 public:
  explicit SlotAllocator(int num_slots) : IdPool(num_slots) {}

  std::optional<int32_t> allocate_one() {
    const auto ids = allocate(1);
    return ids ? std::optional(ids->front()) : std::nullopt;
  }
  void release_one(int32_t slot) { release({&slot, 1}); }
};

}  // namespace shoal::cache
