// From a rank's share of the ShardPlan to the views its layers read. Everything goes through the
// WeightReader, so the ledger shows exactly what this rank took.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "loader/format/model_config.h"
#include "loader/io/weight_reader.h"
#include "runtime/model/weights.h"
#include "sharding/shard_plan.h"

namespace shoal::engine {

// Move-only; keeps the decoded vectors that ModelWeights points at. The reader and the files must
// outlive it.
struct LoadedWeights {
  model::ModelWeights weights;
  std::deque<std::vector<float>> vectors;  // norms and small tensors, decoded to f32
};

struct LoadJob {
  const loader::ModelFiles& files;
  const loader::ModelConfig& config;
  const sharding::ShardPlan& plan;
  int rank = 0;
};

// Touches every page it hands out, so that "ready" means in memory. progress(bytes_done) is called
// now and then. Throws ModelFileError, e.g. for a tensor type that no kernel multiplies.
std::unique_ptr<LoadedWeights> load_weights(const LoadJob& job,
                                            loader::WeightReader& reader,
                                            const std::function<void(uint64_t)>& progress);

}  // namespace shoal::engine
