// Runs plans on one rank, in order. Collective: every rank of the job runs every plan.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "runtime/engine/local_step.h"
#include "runtime/engine/stage_links.h"
#include "runtime/model/cache_pools.h"
#include "runtime/model/model.h"
#include "transport/host_comm.h"

namespace shoal::engine {

struct RankParts {
  const loader::ModelConfig& config;
  const sharding::ShardPlan& plan;
  transport::HostComm& comm;
  const model::Model& model;
  model::CachePools& pools;
  ThreadPool& pool;
  std::vector<int32_t> masked_ids;  // never sampled; rising
};

class StepRunner {
 public:
  explicit StepRunner(RankParts parts);

  // report() gets one result a repeat, or several parts of one when rows are large.
  void run(const plan::StepPlan& plan,
           Deadline deadline,
           const std::function<void(plan::StepResult)>& report);

  void add_idle(double seconds) { stats_.seconds_idle += seconds; }
  const plan::RankStats& stats() const { return stats_; }
  // Of a sequence's KV rows and recurrent state on this rank (tests of the state promise).
  uint64_t state_hash(plan::SequenceId id, int64_t num_tokens);

 private:
  void run_once(const plan::StepPlan& plan,
                int repeat,
                Deadline deadline,
                const std::function<void(plan::StepResult)>& report);
  // Last stage: logits, samples, scores.
  void finish_rows(const Exec& exec,
                   plan::StepResult& result,
                   std::vector<int32_t>& sampled,
                   const std::function<void(plan::StepResult)>& report);
  void score_chunk(const LocalSequence& local,
                   const Exec& exec,
                   plan::StepResult& result,
                   const std::function<void(plan::StepResult)>& report);
  void update_stats();

  RankParts parts_;
  SequenceTable table_;
  LocalStep step_;
  StageLinks links_;
  plan::RankStats stats_;
  std::vector<float> hidden_, rows_, logits_;
};

}  // namespace shoal::engine
