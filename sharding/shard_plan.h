// Who owns which bytes, and how much memory that takes: the planner's answer, sent to every rank.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/backend.h"
#include "sharding/expert_placement.h"
#include "sharding/rank_grid.h"

namespace shoal::sharding {

// How dense tensors (everything that is not a routed expert) are spread inside a stage.
// kOutputRows is reserved: heads, ssm_out, attn_output, shared expert and lm_head cut by output
// rows, activations all-gathered, so every dot product stays whole.
enum class DenseSplit : uint8_t { kReplicated, kOutputRows };

// Outer indices (rows or experts) [outer_begin, outer_end) of one tensor, and where they compute.
struct TensorSlice {
  int tensor_idx = 0;  // in the TensorDirectory
  int64_t outer_begin = 0, outer_end = 0;
  Backend backend = Backend::kCpu;
  bool operator==(const TensorSlice&) const = default;
};

struct RankShare {
  std::vector<TensorSlice> slices;
  uint64_t weight_bytes = 0;  // of the slices
  uint64_t expert_bytes = 0;  // the routed experts' part of weight_bytes
  uint64_t kv_bytes = 0, state_bytes = 0, scratch_bytes = 0;
  bool operator==(const RankShare&) const = default;
};

struct ShardPlan {
  RankGrid grid;
  DenseSplit dense = DenseSplit::kReplicated;
  std::vector<int> first_layer;          // num_stages + 1 entries: stage s runs [s], [s + 1)
  std::vector<ExpertPlacement> experts;  // one per stage (the same for each of its layers)
  std::vector<RankShare> ranks;
  int block_size = 32;                // tokens in a KV block
  int num_blocks = 0, num_slots = 0;  // of one home group's pool; ids start at 0 in each
  int num_checkpoints = 0;            // of a home group: states that the prefix cache may hold
  uint64_t max_cache_bytes = 0;       // of a home: states and KV blocks that it may keep
  int64_t max_context = 0;            // tokens a sequence may hold (-c)
  int max_batch_tokens = 512;         // most tokens of one step on one rank
  bool operator==(const ShardPlan&) const = default;
};

// What a block and a state slot (or checkpoint) of one home take, on all stages together.
struct CacheBytes {
  uint64_t block = 0, slot = 0;
};
CacheBytes cache_bytes(const ShardPlan& plan);

std::string to_table(const ShardPlan& plan);

}  // namespace shoal::sharding
