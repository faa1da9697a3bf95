// A job without processes: answers the coordinator as ranks would. Tokens are a formula of the
// sequence's own last token and position, so expected streams need no model.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/coordinator/coordinator.h"

namespace shoal::coordinator {

// What rank 0 "samples" at a position: within the demo vocabulary's plain tokens.
inline int32_t fake_token(int64_t position) {
  return static_cast<int32_t>((position * 37 + 11) % 200 + 300);
}

class FakeRanks final : public RankLinks {
 public:
  FakeRanks(int world_size, std::string job_token, std::string build);
  ~FakeRanks() override;

  void attach(Coordinator& coordinator) { coordinator_ = &coordinator; }
  // Ends the thread that answers: before the coordinator goes.
  void stop();
  // Plays the supervisor: waits for the coordinator's job and lets its ranks say Hello.
  void start_job();
  void kill(int rank);
  // While held, plans are taken but not answered.
  void hold(bool held);
  // Holds once a token at this position was said.
  void hold_at(int64_t position);
  // Replaces fake_token().
  std::function<int32_t(int64_t position)> token = fake_token;
  bool repeat_answers = false;   // each answer comes twice
  std::vector<int32_t> dies_of;  // rank 0 dies of a step that starts a sequence so

  std::vector<plan::StepPlan> plans() const;  // as rank 0 saw them
  std::vector<std::string> leave_reasons() const;
  void send(LinkId link, const control::ToWorker& message) override;
  void close(LinkId link) override;

 private:
  LinkId link_of(int rank) const { return epoch_ * 100 + static_cast<LinkId>(rank) + 1; }
  void answer_loop();
  bool starts_with_poison(const plan::StepPlan& plan) const;

  int world_size_;
  std::string job_token_, build_;
  Coordinator* coordinator_ = nullptr;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  plan::Epoch epoch_ = 0;
  std::deque<std::pair<LinkId, control::ToWorker>> inbox_;
  std::vector<plan::StepPlan> plans_;
  std::vector<std::string> leave_reasons_;
  bool held_ = false, stop_ = false;
  int64_t hold_at_ = INT64_MAX;
  std::thread thread_;
};

// Collects a stream; wait() returns when it ended.
class CollectingSink final : public StreamSink {
 public:
  void delta(Delta delta) override;
  void scored(std::vector<plan::TokenScore> scores) override;
  void finished(const Finished& finished) override;
  void failed(const Failure& failure) override;

  bool wait(std::chrono::milliseconds timeout = std::chrono::seconds(10));
  bool wait_for_tokens(size_t count);

  std::function<void(const Delta&)> on_delta;
  std::string text;
  std::vector<int32_t> tokens;
  std::vector<plan::TokenScore> scores;
  std::optional<Finished> end;
  std::optional<Failure> failure;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace shoal::coordinator
