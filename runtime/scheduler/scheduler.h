// Decides what runs next. Touches no device, clock or network: the same calls give the same plans.
// One thread calls.
//
// Policy, one step: every running sequence that decodes takes one token (with S pipeline stages at
// most its S-th part of them, the longest unscheduled first, so that plans in flight share no
// sequence while others wait); prompts fill what is left of each rank's token budget, in order of
// admission.
//
// Cache blocks: a sequence is admitted when the blocks of its prompt are free, and one more for it
// and for each sequence that may still grow. Decode takes blocks one by one. When none is free the
// youngest sequence of the home group is paused: its blocks and slot go back, and once its samples
// are known it enters again, before anybody younger, with prompt and samples as one prompt. The
// oldest of a group is never paused, so every sequence ends.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "runtime/cache/block_allocator.h"
#include "runtime/cache/slot_allocator.h"
#include "runtime/plan/step_plan.h"
#include "runtime/scheduler/sequence.h"

namespace shoal::scheduler {

// The part of the rank grid that matters here: the width of each stage.
struct SchedulerConfig {
  std::vector<int> ep_per_stage = {1};
  int num_home_groups = 1;  // RankGrid::num_home_groups(): homes of a group share pools
  int block_size = 32;
  int num_blocks = 0;          // per home group
  int num_slots = 0;           // per home group
  int max_batch_tokens = 512;  // per rank and step
  int max_sequences = 8;
};

class Scheduler {
 public:
  explicit Scheduler(SchedulerConfig config);

  // Whether a sequence may grow to that many tokens, alone in the cache.
  bool fits(int64_t total_tokens) const;
  // False when there is no room now, or one that was paused waits for it; nothing changed then.
  bool admit(const NewSequence& sequence);
  // Finished, cancelled: no later plan runs it. Its blocks serve whoever comes next.
  void release(plan::SequenceId id);

  // The next plan, or nothing while too many are in flight or nobody can run.
  std::optional<plan::StepPlan> next_plan(plan::Epoch epoch);
  // A sampled token came back.
  void token_known(plan::SequenceId id, int32_t token);
  // All of a step's results came back.
  void step_done(plan::StepId step);

  // Admitted and not released, those that are paused with them.
  int num_running() const { return static_cast<int>(sequences_.size() + paused_.size()); }
  int num_paused() const { return static_cast<int>(paused_.size()); }
  uint64_t num_pauses() const { return num_pauses_; }  // since construction
  int num_in_flight() const { return static_cast<int>(in_flight_.size()); }
  int num_free_blocks() const;
  int num_total_blocks() const;

 private:
  int num_stages() const { return static_cast<int>(config_.ep_per_stage.size()); }
  size_t group_of(const Sequence& sequence) const {
    return static_cast<size_t>(sequence.home % config_.num_home_groups);
  }
  bool in_flight(plan::StepId step) const;
  int least_loaded_home(const Sequence& sequence) const;  // -1: none has room
  int reserve(size_t group) const;  // blocks kept for those that may still grow
  bool may_grow(const Sequence& sequence) const;
  bool enter(Sequence& sequence);  // takes blocks and a slot, and announces it
  void leave(const Sequence& sequence);
  void pause(plan::SequenceId id);
  void resume_paused();
  // Blocks for its next token; pauses the youngest of its group, itself if need be.
  void grow(plan::SequenceId id);
  int64_t room_for(int home) const;  // tokens that its owners can still take this step
  void take_room(int home, int64_t tokens);
  void schedule_decode(plan::StepPlan& plan);
  void schedule_prefill(plan::StepPlan& plan);
  plan::ScheduledSequence run(Sequence& sequence, int64_t num_tokens);

  SchedulerConfig config_;
  std::vector<cache::BlockAllocator> blocks_;       // by home group
  std::vector<cache::SlotAllocator> slots_;         // by home group
  std::map<plan::SequenceId, Sequence> sequences_;  // ids rise with admission
  std::map<plan::SequenceId, Sequence> paused_;
  std::vector<plan::Admission> admitted_;   // since the last plan
  std::vector<plan::SequenceId> released_;  // since the last plan
  std::deque<plan::StepId> in_flight_;
  plan::StepId next_step_ = 1;
  uint64_t num_pauses_ = 0;
  std::vector<std::vector<int64_t>> used_;  // [stage][ep rank]: tokens of the plan in the making
};

}  // namespace shoal::scheduler
