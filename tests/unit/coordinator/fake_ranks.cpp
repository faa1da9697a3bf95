#include "tests/unit/coordinator/fake_ranks.h"

#include <algorithm>

namespace shoal::coordinator {

FakeRanks::FakeRanks(int world_size, std::string job_token, std::string build)
    : world_size_(world_size), job_token_(std::move(job_token)), build_(std::move(build)) {
  thread_ = std::thread([this] { answer_loop(); });
}

FakeRanks::~FakeRanks() { stop(); }

void FakeRanks::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void FakeRanks::start_job() {
  const auto job = coordinator_->next_job(Deadline::after(std::chrono::seconds(5)));
  if (!job) return;
  {
    const std::lock_guard lock(mutex_);
    epoch_ = job->epoch;
    inbox_.clear();
  }
  for (int rank = 0; rank < world_size_; ++rank)
    coordinator_->on_message(link_of(rank),
                             control::Hello{.job_token = job_token_,
                                            .epoch = job->epoch,
                                            .rank = rank,
                                            .world_size = world_size_,
                                            .host = "host",
                                            .pid = 1,
                                            .build = build_});
}

void FakeRanks::kill(int rank) { coordinator_->on_closed(link_of(rank)); }

void FakeRanks::hold(bool held) {
  const std::lock_guard lock(mutex_);
  held_ = held;
  changed_.notify_all();
}

void FakeRanks::hold_at(int64_t position) {
  const std::lock_guard lock(mutex_);
  hold_at_ = position;
}

std::vector<plan::StepPlan> FakeRanks::plans() const {
  const std::lock_guard lock(mutex_);
  return plans_;
}

std::vector<std::string> FakeRanks::leave_reasons() const {
  const std::lock_guard lock(mutex_);
  return leave_reasons_;
}

void FakeRanks::send(LinkId link, const control::ToWorker& message) {
  const std::lock_guard lock(mutex_);
  if (const auto* leave = std::get_if<control::Leave>(&message))
    leave_reasons_.push_back(leave->reason);
  if (const auto* plan = std::get_if<plan::StepPlan>(&message); plan && link == link_of(0))
    plans_.push_back(*plan);
  inbox_.emplace_back(link, message);
  changed_.notify_all();
}

void FakeRanks::close(LinkId) {}

bool FakeRanks::starts_with_poison(const plan::StepPlan& plan) const {
  return !dies_of.empty() &&
         std::any_of(plan.sequences.begin(), plan.sequences.end(), [&](const auto& sequence) {
           return sequence.tokens == dies_of;
         });
}

void FakeRanks::answer_loop() {
  for (;;) {
    std::pair<LinkId, control::ToWorker> next;
    plan::Epoch epoch = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || (!inbox_.empty() && !held_); });
      if (stop_) return;
      next = std::move(inbox_.front());
      inbox_.pop_front();
      epoch = epoch_;
    }
    const int rank = static_cast<int>(next.first - epoch * 100) - 1;
    if (rank < 0 || rank >= world_size_) continue;
    if (std::holds_alternative<control::Welcome>(next.second))
      coordinator_->on_message(next.first,
                               control::LoadProgress{.epoch = epoch, .rank = rank, .ready = true});
    const auto* plan = std::get_if<plan::StepPlan>(&next.second);
    if (plan == nullptr) continue;
    if (rank == 0 && starts_with_poison(*plan)) {
      kill(0);
      continue;
    }
    plan::StepResult result{.epoch = epoch, .step_id = plan->step_id, .rank = rank};
    if (rank == 0)
      for (const plan::ScheduledSequence& sequence : plan->sequences) {
        const int64_t position = sequence.start + static_cast<int64_t>(sequence.tokens.size());
        if (sequence.sample)
          result.tokens.push_back(
              {.id = sequence.id, .position = position, .token = token(position), .sampled = true});
        if (sequence.score == plan::Score::kChunk)
          for (size_t i = 1; i < sequence.tokens.size(); ++i)
            result.tokens.push_back({.id = sequence.id,
                                     .position = sequence.start + static_cast<int64_t>(i),
                                     .token = sequence.tokens[i]});
      }
    for (const plan::TokenScore& score : result.tokens) {
      const std::lock_guard lock(mutex_);
      if (!score.sampled || score.position < hold_at_) continue;
      held_ = true;
      hold_at_ = INT64_MAX;
    }
    if (repeat_answers) coordinator_->on_message(next.first, result);
    coordinator_->on_message(next.first, std::move(result));
  }
}

void CollectingSink::delta(Delta delta) {
  if (on_delta) on_delta(delta);
  const std::lock_guard lock(mutex_);
  text += delta.text;
  tokens.insert(tokens.end(), delta.token_ids.begin(), delta.token_ids.end());
  changed_.notify_all();
}

void CollectingSink::scored(std::vector<plan::TokenScore> more) {
  const std::lock_guard lock(mutex_);
  scores.insert(scores.end(), more.begin(), more.end());
}

void CollectingSink::finished(const Finished& finished) {
  const std::lock_guard lock(mutex_);
  end = finished;
  changed_.notify_all();
}

void CollectingSink::failed(const Failure& why) {
  const std::lock_guard lock(mutex_);
  failure = why;
  changed_.notify_all();
}

bool CollectingSink::wait(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return end || failure; });
}

bool CollectingSink::wait_for_tokens(size_t count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(
      lock, std::chrono::seconds(10), [&] { return tokens.size() >= count || end || failure; });
}

}  // namespace shoal::coordinator
