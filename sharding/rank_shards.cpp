#include "sharding/rank_shards.h"

#include <set>

namespace shoal::sharding {

std::vector<int> shards_of_rank(const ShardPlan& plan,
                                const loader::TensorDirectory& directory,
                                int rank) {
  std::set<int> shards = {0};
  for (const TensorSlice& slice : plan.ranks[static_cast<size_t>(rank)].slices)
    if (slice.outer_begin < slice.outer_end)
      shards.insert(directory.tensors()[static_cast<size_t>(slice.tensor_idx)].shard);
  return {shards.begin(), shards.end()};
}

}  // namespace shoal::sharding
