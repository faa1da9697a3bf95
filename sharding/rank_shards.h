// Which files of a split set a rank needs: those that hold bytes of its slices, and the first,
// which holds the metadata. Pure.
#pragma once
#include <vector>

#include "loader/format/tensor_directory.h"
#include "sharding/shard_plan.h"

namespace shoal::sharding {

// Ascending, 0-based.
std::vector<int> shards_of_rank(const ShardPlan& plan,
                                const loader::TensorDirectory& directory,
                                int rank);

}  // namespace shoal::sharding
