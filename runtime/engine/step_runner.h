// Runs plans on one rank, in order. Collective: every rank of the job runs every plan.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "runtime/engine/device_step.h"
#include "runtime/engine/rank_parts.h"
#include "runtime/engine/stage_links.h"

namespace shoal::engine {

class StepRunner {
 public:
  explicit StepRunner(RankParts parts);
  ~StepRunner();

  // report() gets one result a repeat, or several parts of one when rows are large.
  void run(const plan::StepPlan& plan, Deadline deadline, const ReportResult& report);

  void add_idle(double seconds) { stats_.seconds_idle += seconds; }
  const plan::RankStats& stats() const { return stats_; }
  // Of a sequence's KV rows and recurrent state on this rank (tests of the state promise).
  uint64_t state_hash(plan::SequenceId id, int64_t num_tokens);

 private:
  bool owns(const plan::Admission& admission) const;
  void run_once(const plan::StepPlan& plan,
                int repeat,
                Deadline deadline,
                const ReportResult& report);
  // Last stage: logits, samples, scores.
  void finish_rows(const Exec& exec,
                   plan::StepResult& result,
                   std::vector<int32_t>& sampled,
                   const ReportResult& report);
  void score_chunk(const LocalSequence& local,
                   const Exec& exec,
                   plan::StepResult& result,
                   const ReportResult& report);
  void update_stats(int num_tokens);

  RankParts parts_;
  SequenceTable table_;
  LocalStep step_;
  StageLinks links_;
  std::unique_ptr<DeviceStep> device_;  // where the backend runs steps of its own
  plan::RankStats stats_;
  std::vector<float> hidden_, rows_, logits_;
};

}  // namespace shoal::engine
