#include "sharding/capacity.h"

#include <algorithm>

#include "runtime/base/check.h"
#include "sharding/memory_estimate.h"

namespace shoal::sharding {
namespace {

constexpr int64_t kMostSequences = 1 << 20;

LayerRange layers_of(const ShardPlan& plan, int stage) {
  return {plan.first_layer[static_cast<size_t>(stage)],
          plan.first_layer[static_cast<size_t>(stage) + 1]};
}

}  // namespace

ClassBytes class_bytes(const loader::TensorDirectory& directory, const RankShare& share) {
  ClassBytes bytes = {};
  for (const TensorSlice& slice : share.slices) {
    const loader::TensorInfo& tensor = directory.tensors()[static_cast<size_t>(slice.tensor_idx)];
    bytes[static_cast<size_t>(loader::tensor_class(tensor))] +=
        loader::outer_range(tensor, slice.outer_begin, slice.outer_end).bytes;
  }
  return bytes;
}

uint64_t bytes_in_use(const loader::ModelConfig& config, const ShardPlan& plan, int rank) {
  const RankShare& share = plan.ranks[static_cast<size_t>(rank)];
  const int ep = plan.grid.ep(plan.grid.place(rank).stage);
  return share.weight_bytes + share.kv_bytes + share.state_bytes + share.scratch_bytes +
         exchange_bytes(config, ep, plan.max_batch_tokens);
}

uint64_t bytes_needed(const loader::ModelConfig& config,
                      const ShardPlan& plan,
                      int rank,
                      const Load& load) {
  SHOAL_ASSERT(load.slots >= 1 && load.sequences >= 1 && load.context >= 1, "nothing to hold");
  const RankGrid::Place place = plan.grid.place(rank);
  const LayerRange layers = layers_of(plan, place.stage);
  const int ep = plan.grid.ep(place.stage);
  const auto& placement = plan.experts[static_cast<size_t>(place.stage)];
  const auto& slices = plan.ranks[static_cast<size_t>(rank)].slices;
  const ScratchShape shape{
      .backend = slices.empty() ? Backend::kCpu : slices.front().backend,
      .ep = ep,
      .num_local_experts = static_cast<int>(placement.experts(place.ep_rank).size()),
      .max_batch_tokens = plan.max_batch_tokens,
      .max_sequences = load.slots,
      .last_stage = place.stage == plan.grid.num_stages() - 1};
  const auto groups = static_cast<uint64_t>(plan.grid.num_home_groups());
  const uint64_t in_pool = (static_cast<uint64_t>(load.sequences) + groups - 1) / groups;
  const auto blocks = static_cast<uint64_t>((load.context - 1) / plan.block_size + 1);
  return plan.ranks[static_cast<size_t>(rank)].weight_bytes +
         static_cast<uint64_t>(load.slots) * state_slot_bytes(config, layers) +
         scratch_bytes(config, shape) + exchange_bytes(config, ep, plan.max_batch_tokens) +
         in_pool * blocks * kv_block_bytes(config, layers, plan.block_size);
}

int64_t max_sequences_at(const loader::ModelConfig& config,
                         const ShardPlan& plan,
                         const ClusterSpec& cluster,
                         int64_t context) {
  const auto fits = [&](int64_t sequences) {
    for (int rank = 0; rank < plan.grid.world_size(); ++rank) {
      const auto memory = cluster.memory_of(plan.grid.place(rank).stage);
      const Load load{static_cast<int>(sequences), static_cast<int>(sequences), context};
      if (memory && bytes_needed(config, plan, rank, load) > *memory) return false;
    }
    return true;
  };
  int64_t most = 0;
  for (int64_t step = kMostSequences; step > 0; step /= 2)
    if (most + step <= kMostSequences && fits(most + step)) most += step;
  return most;
}

}  // namespace shoal::sharding
