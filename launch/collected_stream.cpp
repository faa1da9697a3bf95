#include "launch/collected_stream.h"

#include <utility>

#include "runtime/base/error.h"

namespace shoal::launch {

void CollectedStream::delta(coordinator::Delta delta) {
  const std::lock_guard lock(mutex_);
  if (num_tokens_ == 0) first_token_at_ = Clock::now();
  num_tokens_ += static_cast<int64_t>(delta.token_ids.size());
}

void CollectedStream::scored(std::vector<plan::TokenScore> scores) {
  const std::lock_guard lock(mutex_);
  scores_.push_back(std::move(scores));
  changed_.notify_all();
}

void CollectedStream::finished(const coordinator::Finished&) { end(std::nullopt); }

void CollectedStream::failed(const coordinator::Failure& failure) { end(failure); }

void CollectedStream::end(std::optional<coordinator::Failure> failure) {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  ended_at_ = Clock::now();
  failure_ = std::move(failure);
  changed_.notify_all();
}

void CollectedStream::throw_if_failed() const {
  if (failure_) throw Error(ExitCode::kRequest, failure_->message);
}

std::vector<plan::TokenScore> CollectedStream::next_scores() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ended_ || !scores_.empty(); });
  throw_if_failed();
  if (scores_.empty()) return {};
  std::vector<plan::TokenScore> scores = std::move(scores_.front());
  scores_.pop_front();
  return scores;
}

void CollectedStream::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ended_; });
  throw_if_failed();
}

std::shared_ptr<CollectedStream> submit_collected(coordinator::RequestDoor& door,
                                                  coordinator::GenerationRequest request) {
  auto stream = std::make_shared<CollectedStream>();
  if (const auto refusal = door.submit(std::move(request), stream))
    throw Error(ExitCode::kRequest, refusal->message);
  return stream;
}

}  // namespace shoal::launch
