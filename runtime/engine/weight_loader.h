// From a rank's share of the ShardPlan to the views its layers read. Everything goes through the
// WeightReader, so the ledger shows exactly what this rank took.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "loader/format/model_config.h"
#include "loader/io/weight_reader.h"
#include "runtime/engine/device_weights.h"
#include "runtime/model/weights.h"
#include "sharding/shard_plan.h"

namespace shoal::engine {

// Move-only; keeps the decoded vectors that ModelWeights points at. The reader and the files must
// outlive it.
struct LoadedWeights {
  model::ModelWeights weights;
  std::deque<std::vector<float>> vectors;  // norms and small tensors, decoded to f32
  std::unique_ptr<DeviceWeights> device;   // where the weights lie on a device
};

struct LoadJob {
  const loader::ModelFiles& files;
  const loader::ModelConfig& config;
  const sharding::ShardPlan& plan;
  int rank = 0;
  const device::Queue* queue = nullptr;    // of the device that gets the weights; null: the host
  ThreadPool* pool = nullptr;              // whose threads read for the device
  std::optional<uint64_t> synthetic_seed;  // no file's bytes but random ones, on a device only
};

// Touches every page it hands out, so that "ready" means in memory. progress(bytes_done) is called
// now and then. Throws ModelFileError, e.g. for a tensor type that no kernel multiplies.
std::unique_ptr<LoadedWeights> load_weights(const LoadJob& job,
                                            loader::WeightReader& reader,
                                            const std::function<void(uint64_t)>& progress);

}  // namespace shoal::engine
