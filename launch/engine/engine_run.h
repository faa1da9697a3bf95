// A script on the engine, on all ranks of this mpirun. Collective.
#pragma once
#include <functional>
#include <vector>

#include "launch/engine/script_source.h"
#include "launch/engine/step_script.h"
#include "launch/options.h"
#include "loader/format/model_config.h"
#include "loader/format/vocab.h"
#include "transport/host_comm.h"

namespace shoal::launch {

// The model and its split over the ranks of this mpirun: P stages of world / P ranks.
struct EngineModel {
  std::string path;
  Backend backend = Backend::kCpu;
  std::string device;  // the GPU's name; empty on the CPU
  uint64_t weight_bytes = 0, num_params = 0;
  uint64_t fingerprint = 0;
  loader::ModelConfig config;
  loader::Vocab vocab;
  sharding::ShardPlan shards;
};
// Throws Error where the shape does not fit the ranks, the model or the GPU's memory, and
// engine::SharedVerdict on all ranks where the files are bad for one. --backend auto is cuda where
// every rank finds a GPU of its own. Collective.
EngineModel open_engine_model(const ModelOptions& model,
                              const ClusterOptions& shape,
                              transport::HostComm& comm);

struct EngineTimes {
  std::vector<double> step_seconds;  // this rank's, one a plan
};

// `take` sees this rank's results; those of home 0 are reported on reporting_rank().
EngineTimes run_script(const EngineModel& model,
                       transport::HostComm& comm,
                       int threads,
                       std::vector<plan::StepPlan> script,
                       const std::function<void(const plan::StepResult&)>& take);

int reporting_rank(const sharding::RankGrid& grid);

}  // namespace shoal::launch
