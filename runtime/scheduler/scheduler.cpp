#include "runtime/scheduler/scheduler.h"

#include <algorithm>
#include <limits>

#include "runtime/base/check.h"

namespace shoal::scheduler {

Scheduler::Scheduler(SchedulerConfig config) : config_(std::move(config)) {
  for (int group = 0; group < config_.num_home_groups; ++group) {
    blocks_.emplace_back(config_.num_blocks, config_.block_size);
    slots_.emplace_back(config_.num_slots);
  }
  for (const int width : config_.ep_per_stage) used_.emplace_back(static_cast<size_t>(width), 0);
}

bool Scheduler::fits(int64_t total_tokens) const {
  return blocks_.front().blocks_for(total_tokens) <= config_.num_blocks;
}

int Scheduler::num_free_blocks() const {
  int free = 0;
  for (const cache::BlockAllocator& pool : blocks_) free += pool.num_free();
  return free;
}

int Scheduler::num_total_blocks() const {
  return config_.num_blocks * static_cast<int>(blocks_.size());
}

int Scheduler::least_loaded_home(int blocks) const {
  const int num_homes = *std::max_element(config_.ep_per_stage.begin(), config_.ep_per_stage.end());
  std::vector<int> load(static_cast<size_t>(num_homes), 0);
  for (const auto& [id, sequence] : sequences_) ++load[static_cast<size_t>(sequence.home)];
  int best = -1;
  for (int home = 0; home < num_homes; ++home) {
    const auto group = static_cast<size_t>(home % config_.num_home_groups);
    if (blocks_[group].num_free() < blocks || slots_[group].num_free() < 1) continue;
    if (best < 0 || load[static_cast<size_t>(home)] < load[static_cast<size_t>(best)]) best = home;
  }
  return best;
}

bool Scheduler::admit(const NewSequence& request) {
  SHOAL_ASSERT(!request.prompt.empty(), "sequence {}", request.id);
  if (num_running() >= config_.max_sequences) return false;
  Sequence sequence;
  sequence.id = request.id;
  sequence.prompt = request.prompt;
  sequence.max_tokens = request.max_tokens;
  sequence.score = request.score;
  sequence.score_start = request.score_start;
  const int needed = blocks_.front().blocks_for(sequence.prompt_len() + request.max_tokens);
  sequence.home = least_loaded_home(needed);
  if (sequence.home < 0) return false;

  const auto group = static_cast<size_t>(sequence.home % config_.num_home_groups);
  sequence.blocks = *blocks_[group].allocate(needed);
  sequence.slot = slots_[group].allocate(1)->front();
  admitted_.push_back({.id = sequence.id,
                       .home = sequence.home,
                       .state_slot = sequence.slot,
                       .prompt_len = sequence.prompt_len(),
                       .sampling = request.sampling,
                       .history = {}});
  sequences_.emplace(sequence.id, std::move(sequence));
  return true;
}

void Scheduler::release(plan::SequenceId id) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  const Sequence& sequence = found->second;
  const auto group = static_cast<size_t>(sequence.home % config_.num_home_groups);
  blocks_[group].release(sequence.blocks);
  slots_[group].release(std::vector<int32_t>{sequence.slot});
  // A sequence that no plan has announced leaves without a trace.
  const auto announced = std::find_if(
      admitted_.begin(), admitted_.end(), [id](const plan::Admission& a) { return a.id == id; });
  if (announced != admitted_.end())
    admitted_.erase(announced);
  else
    released_.push_back(id);
  sequences_.erase(found);
}

void Scheduler::token_known(plan::SequenceId id, int32_t token) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  ++found->second.samples_known;
  found->second.last_sample = token;
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
    const auto begin = sequence.prompt.begin() + sequence.planned;
    out.tokens.assign(begin, begin + num_tokens);
  } else {
    out.tokens = {sequence.samples_known == sequence.samples_planned ? sequence.last_sample
                                                                     : plan::kPreviousSample};
  }
  sequence.planned += num_tokens;
  out.sample =
      sequence.planned >= sequence.prompt_len() && sequence.samples_planned < sequence.max_tokens;
  if (out.sample) ++sequence.samples_planned;
  out.score = sequence.score;
  out.score_start = sequence.score_start;
  if (sequence.planned < sequence.prompt_len())
    out.score_next = sequence.prompt[static_cast<size_t>(sequence.planned)];

  const int64_t blocks_needed = blocks_.front().blocks_for(sequence.planned);
  if (blocks_needed > sequence.blocks_sent) {
    out.new_blocks.assign(sequence.blocks.begin() + sequence.blocks_sent,
                          sequence.blocks.begin() + blocks_needed);
    sequence.blocks_sent = blocks_needed;
  }
  sequence.last_step = next_step_;
  take_room(sequence.home, num_tokens);
  return out;
}

void Scheduler::schedule_decode(plan::StepPlan& plan) {
  std::vector<Sequence*> ready;
  for (auto& [id, sequence] : sequences_)
    if (sequence.wants_decode()) ready.push_back(&sequence);
  std::stable_sort(ready.begin(), ready.end(), [](const Sequence* a, const Sequence* b) {
    return a->last_step < b->last_step;
  });
  const size_t share =
      (ready.size() + static_cast<size_t>(num_stages()) - 1) / static_cast<size_t>(num_stages());
  for (size_t i = 0; i < share; ++i)
    if (room_for(ready[i]->home) > 0) plan.sequences.push_back(run(*ready[i], 1));
}

void Scheduler::schedule_prefill(plan::StepPlan& plan) {
  for (auto& [id, sequence] : sequences_) {
    if (!sequence.in_prefill()) continue;
    const int64_t chunk =
        std::min(room_for(sequence.home), sequence.prompt_len() - sequence.planned);
    if (chunk > 0) plan.sequences.push_back(run(sequence, chunk));
  }
}

std::optional<plan::StepPlan> Scheduler::next_plan(plan::Epoch epoch) {
  if (num_in_flight() > num_stages()) return std::nullopt;
  for (std::vector<int64_t>& ranks : used_) std::fill(ranks.begin(), ranks.end(), 0);
  plan::StepPlan plan;
  plan.epoch = epoch;
  plan.step_id = next_step_;
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
