// Everything one rank holds while it serves an epoch: files, weights, caches, model, exchange.
// Built from a Welcome; collective only in that all ranks of the job build theirs.
#pragma once
#include <functional>
#include <memory>

#include "loader/io/weight_reader.h"
#include "runtime/control/messages.h"
#include "runtime/engine/output_constraints.h"
#include "runtime/engine/step_runner.h"
#include "runtime/engine/weight_loader.h"
#include "transport/device_comm.h"

namespace shoal::engine {

struct RankSettings {
  Backend backend = Backend::kCpu;
  int num_threads = 1;
};

class RankEngine {
 public:
  // progress(bytes_done, bytes_total). Throws ModelFileError when the files are not those that the
  // Welcome names.
  RankEngine(const control::Welcome& welcome,
             transport::HostComm& comm,
             RankSettings settings,
             const std::function<void(uint64_t, uint64_t)>& progress);
  ~RankEngine();

  // Collective over the job, before the first plan: ranks that compute on devices meet there.
  void connect(Deadline deadline);

  StepRunner& runner() { return *runner_; }
  const loader::ReadLedger& ledger() const { return reader_->ledger(); }
  const char* kernels_name() const { return kernels_->name; }
  const loader::ModelConfig& config() const { return config_; }

 private:
  model::StepSizes step_sizes(sharding::RankGrid::Place place) const;
  std::unique_ptr<transport::ExpertAllToAll> make_experts(transport::HostComm& comm,
                                                          sharding::RankGrid::Place place) const;

  sharding::ShardPlan plan_;
  loader::ModelFiles files_;
  loader::ModelConfig config_;
  std::unique_ptr<loader::WeightReader> reader_;
  std::unique_ptr<LoadedWeights> weights_;
  const kernels::KernelTable* kernels_;
  std::unique_ptr<ThreadPool> pool_;
  device::Queue queue_;
  std::unique_ptr<transport::DeviceComm> device_comm_;  // several ranks with steps of their own
  std::unique_ptr<model::CachePools> pools_;
  std::unique_ptr<transport::ExpertAllToAll> experts_;
  transport::ReplicatedRows gather_;
  std::unique_ptr<model::Model> model_;
  OutputConstraints constraints_;
  std::unique_ptr<StepRunner> runner_;
};

}  // namespace shoal::engine
