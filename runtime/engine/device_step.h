// The steps of a backend with memory and a queue of its own: everything from the token ids to the
// sampled tokens is enqueued, and the host only waits for what it must report. A pure decode step
// is recorded once a shape and then launched whole; in a burst the next repeat is launched before
// the last one's tokens are back. Sequences that draw, or want log-probabilities, bring their
// logits to the host (row_results.h). One thread.
//
// Where the model is cut into pipeline stages, rows go on to the next stage on the device and
// sampled tokens back to the first through the host (StageLinks); nothing is recorded there.
//
// The reference backend runs this way too, on host memory: it is the twin that tests can follow.
#pragma once
#include <array>
#include <chrono>
#include <map>
#include <optional>

#include "runtime/engine/device_batch.h"
#include "runtime/engine/rank_parts.h"
#include "runtime/engine/row_results.h"
#include "runtime/engine/stage_links.h"

namespace shoal::engine {

inline bool has_own_steps(Backend backend) { return backend != Backend::kCpu; }

class DeviceStep {
 public:
  // Both outlive it.
  DeviceStep(const RankParts& parts, StageLinks& links);

  // All repeats of a plan that `table` knows already. Reports as StepRunner::run does, stats apart.
  void run(const plan::StepPlan& plan,
           SequenceTable& table,
           Deadline deadline,
           const ReportResult& report);

  int num_tokens() const { return step_.num_tokens(); }  // of a repeat of the last plan

 private:
  // One pass over the device as values, so that a recorded pass depends on nothing that changes.
  struct Pass {
    model::Batch batch;
    TensorView hidden, sample_rows, sample_slots;
  };
  struct Recorded {
    int uses = 0;
    std::optional<device::Graph> graph;
  };
  using Clock = std::chrono::steady_clock;

  void run_repeats(const plan::StepPlan& plan,
                   SequenceTable& table,
                   Deadline deadline,
                   const ReportResult& report);
  // One repeat on one of several stages, to its end.
  void run_stage(const plan::StepPlan& plan,
                 int repeat,
                 SequenceTable& table,
                 Deadline deadline,
                 const ReportResult& report);
  // Whether this rank has anything to do in a step, if only for others.
  bool takes_part(const plan::StepPlan& plan) const;
  void sort_sequences();
  Pass make_pass(int token_capacity);
  void enqueue_layers(const Pass& pass, const Exec& exec) const;
  void embed(const Pass& pass, const Exec& exec) const;
  void enqueue_samples(const Pass& pass, const Exec& exec) const;
  void enqueue_recorded(const Pass& pass, const Exec& exec);
  void fetch_tokens(int repeat);
  void score(const Pass& pass, const Exec& exec, plan::StepResult& result, const ReportResult&);
  void sample_on_host(int repeat, Deadline deadline, plan::StepResult& result);
  // The tokens that the device chose in a repeat.
  void take_tokens(int repeat, Deadline deadline, plan::StepResult& result);
  plan::StepResult new_result(const plan::StepPlan& plan, int repeat) const;
  void send(plan::StepResult result, const ReportResult& report);

  const RankParts& parts_;
  StageLinks& links_;
  int max_samples_;
  DeviceBatch batch_;
  LocalStep step_;
  std::vector<int> samples_;  // of step_.sequences(), those that a token is sampled for
  bool needs_host_ = false;   // some of them, or scores
  // By shape and token capacity, which says how long messages are.
  std::map<std::pair<BatchShape, int>, Recorded> recorded_;

  device::Memory hidden_, rows_, logits_, masked_ids_, chosen_, last_tokens_;  // of the device
  device::Memory argmax_scratch_;
  struct Fetched {
    device::Memory tokens;
    device::Mark arrived;
  };
  std::array<Fetched, 2> fetched_;            // by repeat, in turn
  device::Memory host_logits_, host_tokens_;  // staging
  Clock::time_point begin_;
};

}  // namespace shoal::engine
