#include "runtime/coordinator/grpc_calls.h"

#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/coordinator/status_map.h"

namespace shoal::coordinator {
namespace {

Failure reads_too_slowly() {
  Failure failure;
  failure.code = FailureCode::kResourceExhausted;
  failure.reason = "SLOW_READER";
  failure.message = "the client reads too slowly; the stream was ended";
  return failure;
}

grpc::Status client_left() { return to_status(FinishReason::kCancelled); }

// Empty when the request runs; its events go to `sink`.
std::optional<grpc::Status> submit_spec(SubmittedRequest& submitted,
                                        const v1::GenerationSpec& spec,
                                        const CallFacts& facts,
                                        std::shared_ptr<StreamSink> sink) {
  try {
    auto request = request_from_proto(spec, facts, submitted.door().model());
    if (auto* failure = std::get_if<Failure>(&request)) return to_status(*failure);
    if (spec.output().echo()) submitted.keep_prompt();
    auto refused =
        submitted.submit(std::get<GenerationRequest>(std::move(request)), std::move(sink));
    return refused ? std::optional(to_status(*refused)) : std::nullopt;
  } catch (const std::exception& error) {
    return to_status(error);
  }
}

}  // namespace

std::optional<Failure> SubmittedRequest::submit(GenerationRequest request,
                                                std::shared_ptr<StreamSink> sink) {
  request_id_ = request.request_id;
  sampling_ = request.sampling;
  if (keeps_prompt_) prompt_ids_ = request.prompt_ids;
  State idle = kIdle;
  if (auto failure = door_.submit(std::move(request), std::move(sink))) {
    ended();
    return failure;
  }
  // The client left meanwhile: now there is something to cancel.
  if (!state_.compare_exchange_strong(idle, kRunning) && idle == kCancelled) {
    door_.cancel(request_id_);
  }
  return std::nullopt;
}

void SubmittedRequest::cancel() {
  State idle = kIdle, running = kRunning;
  if (state_.compare_exchange_strong(running, kCancelled)) {
    door_.cancel(request_id_);
  } else {
    state_.compare_exchange_strong(idle, kCancelled);
  }
}

StreamCall* StreamCall::start(RequestDoor& door,
                              const v1::GenerationSpec& spec,
                              const CallFacts& facts) {
  auto call = std::make_shared<StreamCall>(door);
  call->self_ = call;
  call->refuse(submit_spec(call->request_, spec, facts, call));
  return call.get();
}

void StreamCall::refuse(const std::optional<grpc::Status>& status) {
  if (!status) return;
  std::lock_guard lock(mutex_);
  end(*status);
  pump();
}

void StreamCall::accepted(const Accepted& event) {
  v1::StreamGenerateResponse message;
  message.set_request_id(event.request_id);
  message.mutable_accepted()->set_prompt_tokens(event.prompt_tokens);
  message.mutable_accepted()->set_queue_position(event.queue_position);
  message.mutable_accepted()->set_seed(event.seed);
  *message.mutable_accepted()->mutable_sampling() = to_proto(request_.sampling());
  std::lock_guard lock(mutex_);
  if (status_) return;
  accepted_ = std::move(message);
  prompt_ = request_.echo();
  pump();
}

void StreamCall::scored(std::vector<plan::TokenScore> scores) {
  size_t bytes = 0;
  for (const plan::TokenScore& score : scores) bytes += 4 + 8 * score.top.size();
  buffer(bytes, [&] {
    if (!prompt_) prompt_.emplace();
    add_to_proto(scores, *prompt_);
  });
}

void StreamCall::delta(Delta event) {
  size_t bytes = event.text.size() + 4 * (event.token_ids.size() + event.logprobs.size());
  for (const auto& top : event.top) bytes += 8 * top.size();
  buffer(bytes, [&] {
    Waiting& waiting = pending_[event.index];
    waiting.delta.set_index(event.index);
    waiting.bytes += bytes;
    add_to_proto(event, waiting.delta);
  });
}

template <class Add>
void StreamCall::buffer(size_t bytes, const Add& add) {
  bool overflow = false;
  {
    std::lock_guard lock(mutex_);
    if (status_) return;
    add();
    pending_bytes_ += bytes;
    overflow = writing_ && pending_bytes_ > kMaxStreamBufferBytes;
    if (overflow) {
      prompt_.reset();
      pending_.clear();
      end(to_status(reads_too_slowly()));
    }
    pump();
  }
  if (overflow) {
    log::warn("request {} ended: its client reads too slowly", printable(request_.request_id()));
    request_.cancel();
  }
}

void StreamCall::finished(const Finished& event) {
  request_.ended();
  std::lock_guard lock(mutex_);
  if (status_) return;
  const grpc::Status status = to_status(event.reason);
  if (status.ok()) {
    finished_.emplace();
    finished_->set_request_id(request_.request_id());
    *finished_->mutable_finished() = to_proto(event);
  }
  end(status);
  pump();
}

void StreamCall::failed(const Failure& failure) {
  request_.ended();
  std::lock_guard lock(mutex_);
  end(to_status(failure));
  pump();
}

void StreamCall::OnWriteDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok) {
      pump();
      return;
    }
  }
  OnCancel();
}

void StreamCall::OnCancel() {
  request_.cancel();
  std::lock_guard lock(mutex_);
  accepted_.reset();
  finished_.reset();
  prompt_.reset();
  pending_.clear();
  end(client_left());
  pump();
}

void StreamCall::end(grpc::Status status) {
  if (!status_) status_ = std::move(status);
}

void StreamCall::pump() {
  if (writing_ || finish_called_) return;
  if (accepted_) {
    message_ = std::move(*accepted_);
    accepted_.reset();
  } else if (prompt_) {
    message_.Clear();
    message_.set_request_id(request_.request_id());
    message_.mutable_prompt()->Swap(&*prompt_);
    prompt_.reset();
    pending_bytes_ = 0;
    for (const auto& [index, waiting] : pending_) pending_bytes_ += waiting.bytes;
  } else if (!pending_.empty()) {
    const auto first = pending_.begin();
    message_.Clear();
    message_.set_request_id(request_.request_id());
    message_.mutable_delta()->Swap(&first->second.delta);
    pending_bytes_ -= first->second.bytes;
    pending_.erase(first);
  } else if (finished_) {
    message_ = std::move(*finished_);
    finished_.reset();
  } else {
    if (status_) {
      finish_called_ = true;
      Finish(*status_);
    }
    return;
  }
  writing_ = true;
  StartWrite(&message_);
}

UnaryCall* UnaryCall::start(RequestDoor& door,
                            const v1::GenerationSpec& spec,
                            const CallFacts& facts,
                            v1::GenerateResponse* response) {
  auto call = std::make_shared<UnaryCall>(door, response);
  call->self_ = call;
  if (auto refused = submit_spec(call->request_, spec, facts, call)) call->end(*refused);
  return call.get();
}

void UnaryCall::accepted(const Accepted& event) {
  std::lock_guard lock(mutex_);
  if (response_ == nullptr) return;
  response_->set_request_id(event.request_id);
  response_->set_seed(event.seed);
  if (auto prompt = request_.echo()) response_->mutable_prompt()->Swap(&*prompt);
}

void UnaryCall::scored(std::vector<plan::TokenScore> scores) {
  std::lock_guard lock(mutex_);
  if (response_ != nullptr) add_to_proto(scores, *response_->mutable_prompt());
}

void UnaryCall::delta(Delta event) {
  std::lock_guard lock(mutex_);
  if (response_ == nullptr) return;
  if (event.index > 0) {
    while (response_->more_choices_size() < event.index) {
      auto& choice = *response_->add_more_choices();
      choice.set_index(response_->more_choices_size());
    }
    add_to_proto(event, *response_->mutable_more_choices(event.index - 1));
    return;
  }
  response_->mutable_text()->append(event.text);
  for (int32_t id : event.token_ids) response_->add_token_ids(static_cast<uint32_t>(id));
  for (float logprob : event.logprobs) response_->add_logprobs(logprob);
  for (const auto& top : event.top) *response_->add_top_logprobs() = to_proto(top);
}

void UnaryCall::finished(const Finished& event) {
  request_.ended();
  {
    std::lock_guard lock(mutex_);
    if (response_ != nullptr) *response_->mutable_finished() = to_proto(event);
  }
  end(to_status(event.reason));
}

void UnaryCall::failed(const Failure& failure) {
  request_.ended();
  end(to_status(failure));
}

void UnaryCall::OnCancel() {
  request_.cancel();
  end(client_left());
}

void UnaryCall::end(const grpc::Status& status) {
  std::lock_guard lock(mutex_);
  if (response_ == nullptr) return;
  response_ = nullptr;
  Finish(status);
}

}  // namespace shoal::coordinator
