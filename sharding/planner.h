// From headers and a cluster to a ShardPlan, or a refusal in words. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "loader/format/model_config.h"
#include "sharding/shard_plan.h"

namespace shoal::sharding {

struct ClusterSpec {
  std::vector<int> ep_per_stage = {1};
  Backend backend = Backend::kCpu;
  int64_t context = 0;    // -c; 0: the model's context_length
  int max_sequences = 8;  // -np
  int max_batch_tokens = 512;
  std::optional<uint64_t> memory_per_rank;  // bytes; empty: not checked
  std::vector<uint64_t> stage_memory;       // of a rank of each stage, instead; empty: as above
  std::vector<int> layers_per_stage;        // empty: as even as they go

  // What a rank of a stage may use.
  std::optional<uint64_t> memory_of(int stage) const {
    if (stage_memory.empty()) return memory_per_rank;
    return stage_memory[static_cast<size_t>(stage)];
  }
  // What a rank may spend on the prefix cache; 0: none. Empty: two states a sequence, or as many as
  // a quarter of the memory holds that weights, scratch and one sequence leave.
  std::optional<uint64_t> cache_memory = 0;
};

struct Refusal {
  std::string reason;  // one line: what does not fit or is not allowed, and what would
  bool usage = false;  // true: the request is contradictory (exit 2); false: does not fit (exit 5)
  int rank = -1;       // the first that is too small, where one is
};

// Refuses: more ranks in a stage than experts, more stages than layers, context beyond the model's,
// memory. Layers are spread as told, or as evenly as they go, the first stages with the remainder.
// The embedding belongs to the first stage, output_norm and lm_head to the last.
std::variant<ShardPlan, Refusal> plan_shards(const loader::TensorDirectory& directory,
                                             const loader::ModelConfig& config,
                                             const ClusterSpec& cluster);

}  // namespace shoal::sharding
