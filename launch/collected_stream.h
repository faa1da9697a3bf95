// One request of a command that talks to the coordinator directly: events collected until the
// stream ends. The coordinator's thread fills it, the command's thread waits.
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/coordinator/generation_request.h"
#include "runtime/coordinator/request_door.h"

namespace shoal::launch {

class CollectedStream final : public coordinator::StreamSink {
 public:
  using Clock = std::chrono::steady_clock;

  void delta(coordinator::Delta delta) override;
  void scored(std::vector<plan::TokenScore> scores) override;
  void finished(const coordinator::Finished& finished) override;
  void failed(const coordinator::Failure& failure) override;

  // The next scores that arrived; empty when the stream ended. Throws Error (request) when it
  // failed.
  std::vector<plan::TokenScore> next_scores();
  // Waits for the end. Throws Error (request) when it failed.
  void wait();

  // After wait():
  Clock::time_point first_token_at() const { return first_token_at_; }
  Clock::time_point ended_at() const { return ended_at_; }
  int64_t num_tokens() const { return num_tokens_; }

 private:
  void end(std::optional<coordinator::Failure> failure);
  void throw_if_failed() const;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<plan::TokenScore>> scores_;
  bool ended_ = false;
  std::optional<coordinator::Failure> failure_;
  Clock::time_point first_token_at_, ended_at_;
  int64_t num_tokens_ = 0;
};

// Submits, or throws the refusal as Error (request).
std::shared_ptr<CollectedStream> submit_collected(coordinator::RequestDoor& door,
                                                  coordinator::GenerationRequest request);

}  // namespace shoal::launch
