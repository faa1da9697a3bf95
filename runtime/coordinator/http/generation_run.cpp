#include "runtime/coordinator/http/generation_run.h"

namespace shoal::http {
namespace {

using coordinator::Failure;
using coordinator::FailureCode;

Failure reads_too_slowly() {
  Failure failure;
  failure.code = FailureCode::kResourceExhausted;
  failure.reason = "SLOW_READER";
  failure.message = "the client reads too slowly; the stream was ended";
  return failure;
}

}  // namespace

GenerationRun::GenerationRun(coordinator::RequestDoor& door,
                             std::vector<coordinator::GenerationRequest> prompts)
    : door_(door), prompts_(std::move(prompts)), ended_(prompts_.size(), false) {
  for (const auto& prompt : prompts_) ids_.push_back(prompt.request_id);
}

GenerationRun::~GenerationRun() { cancel_all(); }

std::optional<Failure> GenerationRun::start() { return submit_more(); }

std::optional<Failure> GenerationRun::submit_more() {
  while (num_submitted_ < prompts_.size()) {
    auto& prompt = prompts_[num_submitted_];
    const bool alone = num_submitted_ == num_ended_;
    auto refusal = door_.submit(prompt, std::make_shared<QueueSink>(queue_, num_submitted_));
    if (refusal) {
      // The rest of a list waits here until its own prompts make room.
      const bool full = refusal->code == FailureCode::kResourceExhausted;
      return full && !alone ? std::nullopt : refusal;
    }
    prompt.prompt_ids = {};
    ++num_submitted_;
  }
  return std::nullopt;
}

void GenerationRun::cancel_all() {
  for (size_t i = 0; i < num_submitted_; ++i)
    if (!ended_[i]) door_.cancel(ids_[i]);
  num_ended_ = num_submitted_ = prompts_.size();
  ended_.assign(prompts_.size(), true);
}

GenerationRun::News GenerationRun::wait(Peer& peer, std::chrono::milliseconds max_wait) {
  News news;
  if (peer.wait(queue_->fd(), max_wait) == Peer::Woke::kGone) {
    news.client_gone = true;
    cancel_all();
    return news;
  }
  if (queue_->overflowed()) {
    news.failure = reads_too_slowly();
    cancel_all();
    return news;
  }
  news.events = queue_->take();
  bool room = false;
  for (const StreamEvent& event : news.events) {
    const bool ends = std::holds_alternative<coordinator::Finished>(event.what) ||
                      std::holds_alternative<Failure>(event.what);
    if (!ends || ended_[event.prompt_idx]) continue;
    ended_[event.prompt_idx] = true;
    ++num_ended_;
    room = true;
  }
  if (room) news.failure = submit_more();
  if (news.failure) cancel_all();
  return news;
}

}  // namespace shoal::http
