#include "runtime/coordinator/front_door.h"

#include <algorithm>
#include <utility>

namespace shoal::coordinator {
namespace {

// The inner phase as clients should see it.
Phase shown(Phase phase, bool closed) {
  return closed && phase == Phase::kServing ? Phase::kDraining : phase;
}

// How many waiting requests go before one more of that owner: those of another owner only as far
// as it has as many itself (Core::next_waiting).
int ahead_of(const std::string& owner, const ClusterStatus& status) {
  const auto own = status.waiting_by_owner.find(owner);
  const int before = own == status.waiting_by_owner.end() ? 0 : own->second;
  int ahead = 0;
  for (const auto& [other, waiting] : status.waiting_by_owner) ahead += std::min(waiting, before);
  return ahead;
}

}  // namespace

// Passes everything on, and measures what passes.
class FrontDoor::Sink final : public StreamSink {
 public:
  Sink(std::shared_ptr<StreamSink> sink, std::shared_ptr<Books> books, std::string owner)
      : sink_(std::move(sink)), books_(std::move(books)), owner_(std::move(owner)) {}

  void accepted(const Accepted& event) override {
    id_ = event.request_id;
    books_->ledger.open({.id = id_,
                         .owner = owner_,
                         .since = std::chrono::steady_clock::now(),
                         .prompt_tokens = event.prompt_tokens});
    sink_->accepted(event);
  }
  void delta(Delta event) override {
    const auto now = std::chrono::steady_clock::now();
    if (last_ != std::chrono::steady_clock::time_point{})
      books_->metrics.between_tokens(std::chrono::duration<double>(now - last_).count());
    last_ = now;
    books_->ledger.generated(id_, std::ssize(event.token_ids));
    sink_->delta(std::move(event));
  }
  void scored(std::vector<plan::TokenScore> scores) override { sink_->scored(std::move(scores)); }
  void finished(const Finished& event) override {
    books_->metrics.finished(event);
    books_->ledger.close(id_);
    sink_->finished(event);
  }
  void failed(const Failure& failure) override {
    books_->metrics.failed(failure);
    books_->ledger.close(id_);
    sink_->failed(failure);
  }

 private:
  std::shared_ptr<StreamSink> sink_;
  std::shared_ptr<Books> books_;
  std::string id_, owner_;
  std::chrono::steady_clock::time_point last_{};
};

FrontDoor::FrontDoor(RequestDoor& door) : door_(door) {
  door.on_phase([listeners = listeners_](Phase phase) {
    const std::lock_guard lock(listeners->mutex);
    for (const auto& callback : listeners->callbacks) callback(shown(phase, listeners->closed));
  });
}

std::optional<Failure> FrontDoor::submit(GenerationRequest request,
                                         std::shared_ptr<StreamSink> sink) {
  auto refusal = turn_away(request);
  if (!refusal) {
    auto watched = std::make_shared<Sink>(std::move(sink), books_, request.owner);
    refusal = door_.submit(std::move(request), std::move(watched));
  }
  if (refusal) books_->metrics.failed(*refusal);
  return refusal;
}

std::optional<Failure> FrontDoor::turn_away(const GenerationRequest& request) const {
  Failure failure;
  if (listeners_->closed) {
    failure.code = FailureCode::kUnavailable;
    failure.reason = "DRAINING";
    failure.message = "the server takes no new requests for now";
    failure.retry_after = std::chrono::seconds(5);
    return failure;
  }
  if (request.deadline.passed()) {
    failure.code = FailureCode::kDeadlineExceeded;
    failure.reason = "DEADLINE_EXCEEDED";
    failure.message = "the request's deadline passed";
    return failure;
  }
  // Longer than a year: none was set.
  if (request.deadline.remaining() > std::chrono::hours(24 * 365)) return std::nullopt;
  const auto expected =
      books_->metrics.expected_queue_time(ahead_of(request.owner, door_.status()));
  if (expected <= request.deadline.remaining()) return std::nullopt;
  failure.code = FailureCode::kResourceExhausted;
  failure.reason = "DEADLINE_TOO_SHORT";
  failure.message = "the queue is longer than the request's deadline";
  failure.retry_after = std::chrono::ceil<std::chrono::milliseconds>(expected);
  return failure;
}

ClusterStatus FrontDoor::status() const {
  ClusterStatus status = door_.status();
  status.phase = shown(status.phase, listeners_->closed);
  return status;
}

void FrontDoor::on_phase(std::function<void(Phase)> callback) {
  const std::lock_guard lock(listeners_->mutex);
  listeners_->callbacks.push_back(std::move(callback));
}

void FrontDoor::close() {
  if (!listeners_->closed.exchange(true)) tell(door_.status().phase);
}

void FrontDoor::open() {
  if (listeners_->closed.exchange(false)) tell(door_.status().phase);
}

void FrontDoor::tell(Phase phase) {
  const std::lock_guard lock(listeners_->mutex);
  for (const auto& callback : listeners_->callbacks) callback(shown(phase, listeners_->closed));
}

}  // namespace shoal::coordinator
