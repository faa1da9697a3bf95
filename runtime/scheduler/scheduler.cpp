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

bool Scheduler::may_grow(const Sequence& sequence) const {
  return blocks_.front().blocks_for(sequence.max_len()) >
         static_cast<int>(std::ssize(sequence.blocks));
}

int Scheduler::reserve(size_t group) const {
  return static_cast<int>(
      std::count_if(sequences_.begin(), sequences_.end(), [&](const auto& entry) {
        return group_of(entry.second) == group && may_grow(entry.second);
      }));
}

int Scheduler::least_loaded_home(const Sequence& sequence) const {
  const int prompt_blocks = blocks_.front().blocks_for(std::ssize(sequence.tokens));
  const int own_reserve = blocks_.front().blocks_for(sequence.max_len()) > prompt_blocks ? 1 : 0;
  const int num_homes = *std::max_element(config_.ep_per_stage.begin(), config_.ep_per_stage.end());
  std::vector<int> load(static_cast<size_t>(num_homes), 0);
  for (const auto& [id, running] : sequences_) ++load[static_cast<size_t>(running.home)];
  int best = -1;
  for (int home = 0; home < num_homes; ++home) {
    const auto group = static_cast<size_t>(home % config_.num_home_groups);
    const int needed = prompt_blocks + own_reserve + reserve(group);
    if (blocks_[group].num_free() < needed || slots_[group].num_free() < 1) continue;
    if (best < 0 || load[static_cast<size_t>(home)] < load[static_cast<size_t>(best)]) best = home;
  }
  return best;
}

bool Scheduler::enter(Sequence& sequence) {
  const int home = least_loaded_home(sequence);
  if (home < 0) return false;
  sequence.home = home;
  const size_t group = group_of(sequence);
  sequence.prefill_len = std::ssize(sequence.tokens);
  sequence.blocks = *blocks_[group].allocate(blocks_[group].blocks_for(sequence.prefill_len));
  sequence.slot = *slots_[group].allocate_one();
  sequence.blocks_sent = 0;
  sequence.planned = 0;
  admitted_.push_back({.id = sequence.id,
                       .home = sequence.home,
                       .state_slot = sequence.slot,
                       .prompt_len = sequence.prompt_len,
                       .sampling = sequence.sampling,
                       .history = {}});
  return true;
}

bool Scheduler::admit(const NewSequence& request) {
  SHOAL_ASSERT(!request.prompt.empty(), "sequence {}", request.id);
  if (num_running() >= config_.max_sequences || !paused_.empty()) return false;
  Sequence sequence;
  sequence.id = request.id;
  sequence.tokens = request.prompt;
  sequence.prompt_len = std::ssize(request.prompt);
  sequence.sampling = request.sampling;
  sequence.max_tokens = request.max_tokens;
  sequence.score = request.score;
  sequence.score_start = request.score_start;
  if (!fits(sequence.max_len()) || !enter(sequence)) return false;
  sequences_.emplace(sequence.id, std::move(sequence));
  return true;
}

void Scheduler::leave(const Sequence& sequence) {
  blocks_[group_of(sequence)].release(sequence.blocks);
  slots_[group_of(sequence)].release_one(sequence.slot);
  // A sequence that no plan has announced leaves without a trace.
  const auto announced =
      std::find_if(admitted_.begin(), admitted_.end(), [&](const plan::Admission& a) {
        return a.id == sequence.id;
      });
  if (announced != admitted_.end())
    admitted_.erase(announced);
  else
    released_.push_back(sequence.id);
}

void Scheduler::release(plan::SequenceId id) {
  paused_.erase(id);
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  leave(found->second);
  sequences_.erase(found);
}

void Scheduler::pause(plan::SequenceId id) {
  auto node = sequences_.extract(id);
  Sequence& sequence = node.mapped();
  leave(sequence);
  sequence.blocks.clear();
  // Steps under way still report what they score of the prompt; the same again would be twice.
  sequence.score_start = std::max(sequence.score_start, sequence.planned);
  const bool scores_prompt =
      sequence.score == plan::Score::kChunk || sequence.score == plan::Score::kFullLogits;
  if (scores_prompt && !sequence.in_prefill()) sequence.score = plan::Score::kNone;
  paused_.insert(std::move(node));
  ++num_pauses_;
}

void Scheduler::resume_paused() {
  while (!paused_.empty()) {
    Sequence& oldest = paused_.begin()->second;
    if (in_flight(oldest.last_step) || oldest.samples_known() < oldest.samples_planned) return;
    if (!enter(oldest)) return;
    sequences_.insert(paused_.extract(paused_.begin()));
  }
}

void Scheduler::grow(plan::SequenceId id) {
  Sequence& sequence = sequences_.at(id);
  const size_t group = group_of(sequence);
  while (std::ssize(sequence.blocks) < blocks_[group].blocks_for(sequence.planned + 1)) {
    if (const auto block = blocks_[group].allocate(1)) {
      sequence.blocks.push_back(block->front());
      continue;
    }
    const auto youngest = std::find_if(sequences_.rbegin(), sequences_.rend(), [&](auto& entry) {
      return group_of(entry.second) == group;
    });
    const plan::SequenceId victim = youngest->first;
    pause(victim);
    if (victim == id) return;
  }
}

void Scheduler::token_known(plan::SequenceId id, int32_t token) {
  for (auto* sequences : {&sequences_, &paused_}) {
    const auto found = sequences->find(id);
    if (found != sequences->end()) found->second.tokens.push_back(token);
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
  for (auto& [id, sequence] : sequences_) {
    if (!sequence.in_prefill()) continue;
    const int64_t chunk =
        std::min(room_for(sequence.home), sequence.prefill_len - sequence.planned);
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
