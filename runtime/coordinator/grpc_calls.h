// One running call of InferenceService each: the gRPC reactor and the coordinator's sink in one
// object, alive until both let go. The coordinator's thread only fills a bounded buffer; gRPC's
// threads empty it. A client that leaves, or whose deadline passes, cancels the request at once.
#pragma once
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/coordinator/request_door.h"
#include "runtime/coordinator/request_from_proto.h"

namespace shoal::coordinator {

// What a reader may leave unread beside the message that is being written.
inline constexpr size_t kMaxStreamBufferBytes = 256 << 10;

// The request's side of a call: submitted once, cancelled at most once and only while it runs.
class SubmittedRequest {
 public:
  explicit SubmittedRequest(RequestDoor& door) : door_(door) {}

  std::optional<Failure> submit(GenerationRequest request, std::shared_ptr<StreamSink> sink);
  void cancel();  // any thread; also before submit() returned
  void ended() { state_.exchange(kEnded); }
  RequestDoor& door() { return door_; }
  // The prompt is kept for an echo. Before submit().
  void keep_prompt() { keeps_prompt_ = true; }
  // Once submit() began.
  const std::string& request_id() const { return request_id_; }
  const plan::SamplingParams& sampling() const { return sampling_; }
  // What to echo, if anything.
  std::optional<v1::Prompt> echo() const {
    if (!keeps_prompt_) return std::nullopt;
    return echo_of(prompt_ids_, *door_.model().tokenizer);
  }

 private:
  enum State : uint8_t { kIdle, kRunning, kCancelled, kEnded };
  RequestDoor& door_;
  std::string request_id_;
  plan::SamplingParams sampling_;
  bool keeps_prompt_ = false;
  std::vector<int32_t> prompt_ids_;
  std::atomic<State> state_{kIdle};
};

class StreamCall final : public grpc::ServerWriteReactor<v1::StreamGenerateResponse>,
                         public StreamSink,
                         public std::enable_shared_from_this<StreamCall> {
 public:
  // Ends by itself; the reactor to give to gRPC.
  static StreamCall* start(RequestDoor& door,
                           const v1::GenerationSpec& spec,
                           const CallFacts& facts);
  explicit StreamCall(RequestDoor& door) : request_(door) {}

  void accepted(const Accepted& event) override;
  void scored(std::vector<plan::TokenScore> scores) override;
  void delta(Delta event) override;
  void finished(const Finished& event) override;
  void failed(const Failure& failure) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  void refuse(const std::optional<grpc::Status>& status);
  void end(grpc::Status status);  // with mutex_ held: nothing is buffered after it
  void pump();                    // with mutex_ held
  // Adds to what waits; ends the call when its reader is too slow.
  template <class Add>
  void buffer(size_t bytes, const Add& add);

  SubmittedRequest request_;
  std::shared_ptr<StreamCall> self_;  // until OnDone

  std::mutex mutex_;
  std::optional<v1::StreamGenerateResponse> accepted_, finished_;  // not yet written
  std::optional<v1::Prompt> prompt_;  // not yet written; before any delta
  struct Waiting {
    v1::Delta delta;
    size_t bytes = 0;
  };
  std::map<int, Waiting> pending_;      // deltas of a choice that wait are one delta
  size_t pending_bytes_ = 0;            // of all of them, and of the prompt
  v1::StreamGenerateResponse message_;  // being written
  std::optional<grpc::Status> status_;
  bool writing_ = false, finish_called_ = false;
};

class UnaryCall final : public grpc::ServerUnaryReactor,
                        public StreamSink,
                        public std::enable_shared_from_this<UnaryCall> {
 public:
  static UnaryCall* start(RequestDoor& door,
                          const v1::GenerationSpec& spec,
                          const CallFacts& facts,
                          v1::GenerateResponse* response);
  UnaryCall(RequestDoor& door, v1::GenerateResponse* response)
      : request_(door), response_(response) {}

  void accepted(const Accepted& event) override;
  void scored(std::vector<plan::TokenScore> scores) override;
  void delta(Delta event) override;
  void finished(const Finished& event) override;
  void failed(const Failure& failure) override;

  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  void end(const grpc::Status& status);

  SubmittedRequest request_;
  std::shared_ptr<UnaryCall> self_;
  std::mutex mutex_;
  v1::GenerateResponse* response_;  // gRPC's, until Finish; null afterwards
};

}  // namespace shoal::coordinator
