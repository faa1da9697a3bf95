// Decides what runs next. Touches no device, clock or network: the same calls give the same plans.
// One thread calls.
//
// Policy, one step: every running sequence that decodes takes one token (with S pipeline stages at
// most its S-th part of them, the longest unscheduled first, so that plans in flight share no
// sequence while others wait); prompts fill what is left of each rank's token budget, those of the
// owner who had the least of it (FairShare) first, an owner's own in order of admission.
//
// Cache blocks: a sequence is admitted when the blocks of its prompt are free, and one more for it
// and for each sequence that may still grow. Decode takes blocks one by one. When none is free the
// youngest sequence of the home group is paused (of the owner that runs most there): its blocks and
// slot go back, and once its samples are known it enters again, before anybody younger, with prompt
// and samples as one prompt. The oldest of a group is never paused for that, so every sequence
// ends.
//
// Owners: one that runs less than its share of the sequences does not wait for others that run more
// than theirs. The youngest sequences of those are paused for it, until both are level.
//
// Prefix cache: a sequence goes to the home whose cached text saves it most, weighed against how
// many run there, and starts behind it. Its prompt leaves checkpoints where they are worth their
// bytes (a chunk ends there), and its generated text leaves one when it goes. Blocks that only the
// cache keeps are given up before anybody is paused.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/cache/block_allocator.h"
#include "runtime/cache/prefix_cache.h"
#include "runtime/cache/slot_allocator.h"
#include "runtime/plan/step_plan.h"
#include "runtime/scheduler/fair_share.h"
#include "runtime/scheduler/sequence.h"

namespace shoal::scheduler {

// The part of the rank grid that matters here: the width of each stage.
struct SchedulerConfig {
  std::vector<int> ep_per_stage = {1};
  int num_home_groups = 1;  // RankGrid::num_home_groups(): homes of a group share pools
  int block_size = 32;
  int num_blocks = 0;                              // per home group
  int num_slots = 0;                               // per home group
  int num_checkpoints = 0;                         // per home group; 0: no prefix cache
  uint64_t block_bytes = 0, checkpoint_bytes = 0;  // of one, on all stages
  uint64_t max_cache_bytes = UINT64_MAX;           // per home group
  int max_batch_tokens = 512;                      // per rank and step
  int max_sequences = 8;
};

enum class AdmitResult : uint8_t {
  kAdmitted,
  kNoRoom,  // nor for anybody behind it
  kLater,   // the state that it starts from is not written yet; others may go first
};

// Since construction.
struct CacheCounters {
  uint64_t hits = 0;                                   // sequences that started behind cached text
  std::array<uint64_t, cache::kNumPrefixEnds> ends{};  // of all sequences: why not more
  uint64_t hit_tokens = 0;                             // that need not run
  uint64_t recomputed_tokens = 0;                      // of paused sequences, that ran again
};

class Scheduler {
 public:
  // `shares` is told what every owner runs; whoever queues sequences tells it who has work.
  explicit Scheduler(SchedulerConfig config,
                     std::shared_ptr<FairShare> shares = std::make_shared<FairShare>());

  // Whether a sequence may grow to that many tokens, alone in the cache.
  bool fits(int64_t total_tokens) const;
  // No room also while one that was paused waits for it, unless that one's owner still runs more.
  // Nothing changed unless it was admitted.
  AdmitResult admit(const NewSequence& sequence);
  // What an admitted sequence started from.
  const cache::PrefixMatch& prefix_of(plan::SequenceId id) const;
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
  // Whose waiting sequence should be admitted first: of whoever runs less, and where they run
  // alike, had less.
  bool goes_before(const std::string& a, const std::string& b) const;
  int num_paused() const { return static_cast<int>(paused_.size()); }
  uint64_t num_pauses() const { return num_pauses_; }  // since construction
  int num_in_flight() const { return static_cast<int>(in_flight_.size()); }
  int num_free_blocks() const;  // that nobody uses; the cache may keep them
  int num_cached_blocks() const;
  const cache::PrefixCache& prefix_cache() const { return cache_; }
  void clear_prefix_cache() { cache_.clear(); }
  const CacheCounters& cache_counters() const { return counters_; }
  int num_total_blocks() const;

 private:
  int num_stages() const { return static_cast<int>(config_.ep_per_stage.size()); }
  size_t group_of(const Sequence& sequence) const {
    return static_cast<size_t>(sequence.home % config_.num_home_groups);
  }
  bool in_flight(plan::StepId step) const;
  std::optional<cache::PrefixMatch> place(const Sequence& sequence) const;
  bool has_room(const Sequence& sequence, const cache::PrefixMatch& match) const;
  int reserve(size_t group) const;  // blocks kept for those that may still grow
  bool may_grow(const Sequence& sequence) const;
  bool enter(Sequence& sequence);  // takes blocks and a slot, and announces it
  std::optional<plan::BlockId> take_block(size_t group);
  static cache::PrefixText text_of(const Sequence& sequence, int64_t length);
  void publish(const Sequence& sequence, int64_t length, plan::CheckpointId checkpoint);
  void publish_generated(Sequence& sequence);
  plan::CheckpointId checkpoint_for(Sequence& sequence);  // after the step in the making
  void leave(Sequence& sequence);
  void pause(plan::SequenceId id);
  void resume_paused();
  // fair_turns.cpp
  bool has_seat() const { return std::ssize(sequences_) < config_.max_sequences; }
  // What an owner runs, without the paused ones and those that it gives, over its weight.
  double share_run(const std::string& owner, int given) const;
  // Whether `poor`, with one more, runs no more than `rich` without those that it gives.
  bool runs_less(const std::string& poor, const std::string& rich, int given) const;
  bool waits_for_paused(const std::string& owner) const;
  // Whom to pause so that the sequence finds room; empty: that does not help.
  std::vector<plan::SequenceId> who_yields(const Sequence& sequence) const;
  std::vector<plan::SequenceId> who_yields(const Sequence& sequence, size_t group) const;
  // For a block that another needs: the youngest of whoever runs most there, not the oldest of all.
  plan::SequenceId who_pauses(size_t group) const;
  plan::SequenceId next_to_resume() const;
  // Blocks for its next token; pauses others of its group, itself if need be.
  void grow(plan::SequenceId id);
  int64_t room_for(int home) const;  // tokens that its owners can still take this step
  void take_room(int home, int64_t tokens);
  void schedule_decode(plan::StepPlan& plan);
  void schedule_prefill(plan::StepPlan& plan);
  plan::ScheduledSequence run(Sequence& sequence, int64_t num_tokens);

  SchedulerConfig config_;
  std::shared_ptr<FairShare> shares_;
  std::vector<cache::BlockAllocator> blocks_;  // by home group
  std::vector<cache::SlotAllocator> slots_;    // by home group
  cache::PrefixCache cache_;
  CacheCounters counters_;
  std::map<plan::SequenceId, Sequence> sequences_;  // oldest first
  std::map<plan::SequenceId, Sequence> paused_;
  std::vector<plan::Admission> admitted_;   // since the last plan
  std::vector<plan::SequenceId> released_;  // since the last plan
  std::deque<plan::StepId> in_flight_;
  plan::StepId next_step_ = 1;
  uint64_t num_pauses_ = 0;
  std::vector<std::vector<int64_t>> used_;  // [stage][ep rank]: tokens of the plan in the making
};

}  // namespace shoal::scheduler
