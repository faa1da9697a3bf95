#include "runtime/scheduler/scheduler.h"

#include <algorithm>
#include <limits>

#include "runtime/base/check.h"

namespace shoal::scheduler {

Scheduler::Scheduler(SchedulerConfig config, std::shared_ptr<FairShare> shares)
    : config_(std::move(config)),
      shares_(std::move(shares)),
      blocks_(static_cast<size_t>(config_.num_home_groups),
              cache::BlockAllocator(config_.num_blocks, config_.block_size)),
      slots_(static_cast<size_t>(config_.num_home_groups), cache::SlotAllocator(config_.num_slots)),
      cache_({.num_home_groups = config_.num_home_groups,
              .num_checkpoints = config_.num_checkpoints,
              .block_bytes = config_.block_bytes,
              .checkpoint_bytes = config_.checkpoint_bytes,
              .max_bytes = config_.max_cache_bytes},
             blocks_) {
  for (const int width : config_.ep_per_stage) used_.emplace_back(static_cast<size_t>(width), 0);
}

bool Scheduler::fits(int64_t total_tokens) const {
  return blocks_.front().blocks_for(total_tokens) <= config_.num_blocks;
}

int Scheduler::num_free_blocks() const {
  int free = 0;
  for (const cache::BlockAllocator& pool : blocks_) free += pool.size() - pool.num_used();
  return free;
}

int Scheduler::num_cached_blocks() const {
  int kept = 0;
  for (const cache::BlockAllocator& pool : blocks_) kept += pool.num_kept();
  return kept;
}

int Scheduler::num_total_blocks() const {
  return config_.num_blocks * static_cast<int>(blocks_.size());
}

void Scheduler::grow(plan::SequenceId id) {
  Sequence& sequence = sequences_.at(id);
  const size_t group = group_of(sequence);
  while (std::ssize(sequence.blocks) < blocks_[group].blocks_for(sequence.planned + 1)) {
    if (const auto block = take_block(group)) {
      sequence.blocks.push_back(*block);
      continue;
    }
    const plan::SequenceId victim = who_pauses(group);
    pause(victim);
    if (victim == id) return;
  }
}

void Scheduler::token_known(plan::SequenceId id, int32_t token) {
  for (auto* sequences : {&sequences_, &paused_}) {
    const auto found = sequences->find(id);
    if (found == sequences->end()) continue;
    Sequence& sequence = found->second;
    sequence.tokens.push_back(token);
    // The later checkpoint of generated text is of known tokens now.
    auto& growing = sequence.growing;
    while (growing.size() > 1 && growing[1].position <= std::ssize(sequence.tokens)) {
      cache_.give_back(sequence.home, growing.front().checkpoint);
      growing.erase(growing.begin());
    }
  }
}

bool Scheduler::in_flight(plan::StepId step) const {
  return std::find(in_flight_.begin(), in_flight_.end(), step) != in_flight_.end();
}

void Scheduler::step_done(plan::StepId step) {
  const auto found = std::find(in_flight_.begin(), in_flight_.end(), step);
  if (found != in_flight_.end()) in_flight_.erase(found);
}

int64_t Scheduler::room_for(int home) const {
  int64_t room = std::numeric_limits<int64_t>::max();
  for (size_t stage = 0; stage < used_.size(); ++stage)
    room = std::min(
        room,
        config_.max_batch_tokens - used_[stage][static_cast<size_t>(home) % used_[stage].size()]);
  return room;
}

void Scheduler::take_room(int home, int64_t tokens) {
  for (std::vector<int64_t>& ranks : used_)
    ranks[static_cast<size_t>(home) % ranks.size()] += tokens;
}

plan::ScheduledSequence Scheduler::run(Sequence& sequence, int64_t num_tokens) {
  plan::ScheduledSequence out;
  out.id = sequence.id;
  out.start = sequence.planned;
  if (sequence.in_prefill()) {
    const auto begin = sequence.tokens.begin() + sequence.planned;
    out.tokens.assign(begin, begin + num_tokens);
  } else {
    out.tokens = {sequence.next_token()};
  }
  sequence.planned += num_tokens;
  shares_->charge(sequence.owner, num_tokens);
  out.sample = !sequence.in_prefill() && sequence.samples_planned < sequence.max_tokens;
  if (out.sample) ++sequence.samples_planned;
  out.score = sequence.score;
  out.score_start = sequence.score_start;
  if (sequence.in_prefill()) out.score_next = sequence.next_token();

  const int64_t blocks_needed = blocks_.front().blocks_for(sequence.planned);
  if (blocks_needed > sequence.blocks_sent) {
    out.new_blocks.assign(sequence.blocks.begin() + sequence.blocks_sent,
                          sequence.blocks.begin() + blocks_needed);
    sequence.blocks_sent = blocks_needed;
  }
  out.save = checkpoint_for(sequence);
  sequence.last_step = next_step_;
  return out;
}

void Scheduler::schedule_decode(plan::StepPlan& plan) {
  std::vector<const Sequence*> ready;
  for (const auto& [id, sequence] : sequences_)
    if (sequence.wants_decode()) ready.push_back(&sequence);
  std::stable_sort(ready.begin(), ready.end(), [](const Sequence* a, const Sequence* b) {
    return a->last_step < b->last_step;
  });
  const size_t share =
      (ready.size() + static_cast<size_t>(num_stages()) - 1) / static_cast<size_t>(num_stages());
  std::vector<plan::SequenceId> chosen;
  for (size_t i = 0; i < share; ++i) {
    if (room_for(ready[i]->home) < 1) continue;
    chosen.push_back(ready[i]->id);
    take_room(ready[i]->home, 1);
  }
  // The oldest take their blocks first, so that nobody is paused who has blocks for this step.
  std::vector<plan::SequenceId> by_age = chosen;
  std::sort(by_age.begin(), by_age.end());
  for (const plan::SequenceId id : by_age)
    if (sequences_.count(id) != 0) grow(id);
  for (const plan::SequenceId id : chosen)
    if (const auto found = sequences_.find(id); found != sequences_.end())
      plan.sequences.push_back(run(found->second, 1));
}

void Scheduler::schedule_prefill(plan::StepPlan& plan) {
  std::vector<Sequence*> waiting;
  for (auto& [id, sequence] : sequences_)
    if (sequence.in_prefill()) waiting.push_back(&sequence);
  // By the turns as they stand now: running moves them.
  std::map<std::string, FairShare::Turn> turns;
  for (const Sequence* sequence : waiting)
    turns.emplace(sequence->owner, shares_->turn(sequence->owner));
  std::stable_sort(waiting.begin(), waiting.end(), [&](const Sequence* a, const Sequence* b) {
    return turns.at(a->owner) < turns.at(b->owner);
  });
  for (Sequence* next : waiting) {
    Sequence& sequence = *next;
    const int64_t end = sequence.save_at.empty() ? sequence.prefill_len : sequence.save_at.front();
    const int64_t chunk = std::min(room_for(sequence.home), end - sequence.planned);
    if (chunk < 1) continue;
    take_room(sequence.home, chunk);
    plan.sequences.push_back(run(sequence, chunk));
  }
}

std::optional<plan::StepPlan> Scheduler::next_plan(plan::Epoch epoch) {
  if (num_in_flight() > num_stages()) return std::nullopt;
  for (std::vector<int64_t>& ranks : used_) std::fill(ranks.begin(), ranks.end(), 0);
  plan::StepPlan plan;
  plan.epoch = epoch;
  plan.step_id = next_step_;
  resume_paused();
  schedule_decode(plan);
  schedule_prefill(plan);
  if (plan.sequences.empty()) return std::nullopt;
  for (const std::vector<int64_t>& ranks : used_)
    plan.token_capacity = std::max(plan.token_capacity,
                                   static_cast<int>(*std::max_element(ranks.begin(), ranks.end())));
  plan.admitted = std::move(admitted_);
  plan.released = std::move(released_);
  admitted_.clear();
  released_.clear();
  in_flight_.push_back(next_step_++);
  return plan;
}

}  // namespace shoal::scheduler
