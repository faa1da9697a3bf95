// A coordinator for door tests: no ranks, no thread. Keeps what was submitted and gives its sinks
// to the test, which plays the stream's events itself.
#pragma once
#include <condition_variable>
#include <map>
#include <mutex>
#include <vector>

#include "runtime/coordinator/request_door.h"

namespace shoal::coordinator {

// 256 one-byte tokens (id = byte) and the specials of tests/unit/text/byte_vocab.h; a template
// that writes <|end|> around each message and refuses the role "forbidden".
std::unique_ptr<ServedModel> byte_model();

class FakeRequestDoor final : public RequestDoor {
 public:
  struct Submission {
    GenerationRequest request;
    std::shared_ptr<StreamSink> sink;
  };

  FakeRequestDoor() : model_(byte_model()) {}

  std::optional<Failure> submit(GenerationRequest request,
                                std::shared_ptr<StreamSink> sink) override;
  bool cancel(const std::string& request_id) override;
  ClusterStatus status() const override;
  ClearedCache clear_cache() override { return {.texts = 3, .blocks = 5, .bytes = 7}; }
  const ServedModel& model() const override { return *model_; }
  int64_t max_context() const override { return 4096; }
  void on_phase(std::function<void(Phase)> callback) override;

  void set_phase(Phase phase);
  void set_waiting(std::map<std::string, int> by_owner);
  void refuse_with(std::optional<Failure> failure);
  ServedModel& change_model() { return *model_; }

  // The n-th submission, waited for; its sink is null if it did not come within 10 s.
  Submission submission(size_t n);
  // True once the request was cancelled, within 10 s.
  bool wait_cancelled(const std::string& request_id);
  size_t num_cancels() const;
  size_t num_submissions() const;

 private:
  std::unique_ptr<ServedModel> model_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Submission> submissions_;
  std::vector<std::string> cancelled_;
  std::vector<std::function<void(Phase)>> callbacks_;
  std::optional<Failure> refusal_;
  Phase phase_ = Phase::kServing;
  std::map<std::string, int> waiting_;
};

// Plays a whole stream: accepted, one delta a character, finished(kStopToken).
void play(const FakeRequestDoor::Submission& submission, const std::string& text);

}  // namespace shoal::coordinator
