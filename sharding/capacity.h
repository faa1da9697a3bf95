// What a plan holds and how much more would go: bytes by class of tensor, sequences at a context.
// Pure.
#pragma once
#include <array>
#include <cstdint>

#include "loader/format/model_config.h"
#include "sharding/planner.h"

namespace shoal::sharding {

inline constexpr size_t kNumTensorClasses = 9;
// By loader::TensorClass.
using ClassBytes = std::array<uint64_t, kNumTensorClasses>;

ClassBytes class_bytes(const loader::TensorDirectory& directory, const RankShare& share);

// Everything a rank holds: weights, KV, states, scratch, messages.
uint64_t bytes_in_use(const loader::ModelConfig& config, const ShardPlan& plan, int rank);

// What is to run, whatever the plan's own pools are.
struct Load {
  int slots = 1;        // states that every rank keeps
  int sequences = 1;    // whose KV is held, spread evenly over the homes
  int64_t context = 1;  // tokens of each
};
// Bytes of a rank under the load.
uint64_t bytes_needed(const loader::ModelConfig& config,
                      const ShardPlan& plan,
                      int rank,
                      const Load& load);

// The most sequences of `context` tokens that every rank has room for; 0 when not one fits.
int64_t max_sequences_at(const loader::ModelConfig& config,
                         const ShardPlan& plan,
                         const ClusterSpec& cluster,
                         int64_t context);

}  // namespace shoal::sharding
