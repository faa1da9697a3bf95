#include "runtime/coordinator/http/generation_reply.h"

#include <fmt/format.h>

#include <variant>

#include "runtime/coordinator/http/api_error.h"
#include "runtime/coordinator/http/generation_run.h"

namespace shoal::http {
namespace {

using namespace std::chrono_literals;
using coordinator::Failure;
using coordinator::FailureCode;
using coordinator::Finished;
using coordinator::FinishReason;

constexpr auto kPing = 15s;  // keeps proxies from closing a stream that waits or prefills

// A stream that was cut short is no answer.
std::optional<Failure> failure_of(FinishReason reason) {
  Failure failure;
  if (reason == FinishReason::kCancelled) {
    failure.code = FailureCode::kCancelled;
    failure.reason = "CANCELLED";
    failure.message = "the request was cancelled";
    return failure;
  }
  if (reason == FinishReason::kTimeLimit) {
    failure.code = FailureCode::kDeadlineExceeded;
    failure.reason = "DEADLINE_EXCEEDED";
    failure.message = "the deadline passed";
    return failure;
  }
  return std::nullopt;
}

// A body's state while its events come in.
class Answer {
 public:
  Answer(coordinator::RequestDoor& door, ApiRequest request, std::unique_ptr<ReplyBuilder> builder)
      : include_usage_(request.include_usage),
        streamed_(request.stream),
        builder_(std::move(builder)),
        run_(door, std::move(request.prompts)) {
    frame_.id = builder_->id_prefix() + request.id;
    frame_.object = streamed_ ? builder_->chunk_object() : builder_->whole_object();
    frame_.model = door.model().name;
    frame_.fingerprint = fmt::format("shoal-{:016x}", door.model().directory.fingerprint());
    frame_.created = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  }

  GenerationRun& run() { return run_; }

  // The chunks that an event makes, as server-sent events; a failure ends the body.
  std::variant<std::string, Failure> take(const StreamEvent& event) {
    std::vector<Json> choices;
    if (const auto* delta = std::get_if<coordinator::Delta>(&event.what)) {
      choices = builder_->add(event.prompt_idx, *delta);
    } else if (const auto* scores = std::get_if<std::vector<plan::TokenScore>>(&event.what)) {
      choices = builder_->add_scores(event.prompt_idx, *scores);
    } else if (const auto* finished = std::get_if<Finished>(&event.what)) {
      if (auto failure = failure_of(finished->reason)) return *failure;
      finished_.push_back(*finished);
      choices = builder_->finish(event.prompt_idx, *finished);
    } else if (const auto* failure = std::get_if<Failure>(&event.what)) {
      return *failure;
    }
    std::string text;
    if (!streamed_) return text;
    for (Json& choice : choices) text += sse(chunk(Json::array({std::move(choice)})));
    return text;
  }

  std::string last_events() const {
    std::string text;
    if (include_usage_) {
      Json last = frame_.json();
      last["choices"] = Json::array();
      add_numbers(last);
      text = sse(last);
    }
    return text + "data: [DONE]\n\n";
  }

  Json whole() {
    Json body = frame_.json();
    body["choices"] = builder_->choices();
    add_numbers(body);
    return body;
  }

  static std::string sse(const Json& json) {
    return "data: " + json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
  }

 private:
  Json chunk(Json choices) const {
    Json json = frame_.json();
    json["choices"] = std::move(choices);
    if (include_usage_) json["usage"] = nullptr;
    return json;
  }

  void add_numbers(Json& json) const {
    json["usage"] = usage_json(finished_, builder_->reasoning_tokens());
    if (!finished_.empty()) json["timings"] = timings_json(finished_.front());
  }

  const bool include_usage_, streamed_;
  std::unique_ptr<ReplyBuilder> builder_;
  ReplyFrame frame_;
  std::vector<Finished> finished_;
  GenerationRun run_;
};

void stream(Answer& answer, Peer& peer) {
  while (!answer.run().done()) {
    GenerationRun::News news = answer.run().wait(peer, kPing);
    if (news.client_gone) return;
    std::string text;
    for (const StreamEvent& event : news.events) {
      auto taken = answer.take(event);
      if (auto* failure = std::get_if<Failure>(&taken)) {
        if (!news.failure) news.failure = *failure;
        break;
      }
      text += std::get<std::string>(taken);
    }
    if (news.failure) {
      peer.write(text + Answer::sse(error_json(*news.failure)));
      return;
    }
    if (news.events.empty()) text = ": ping\n\n";
    if (!text.empty() && !peer.write(text)) return;
  }
  peer.write(answer.last_events());
}

HttpReply whole(Answer& answer, Peer& peer) {
  while (!answer.run().done()) {
    GenerationRun::News news = answer.run().wait(peer, kPing);
    if (news.client_gone) {
      Failure left;
      left.code = FailureCode::kCancelled;
      left.message = "the client left";
      return error_reply(left);
    }
    for (const StreamEvent& event : news.events) {
      const auto taken = answer.take(event);
      if (const auto* failure = std::get_if<Failure>(&taken)) return error_reply(*failure);
    }
    if (news.failure) return error_reply(*news.failure);
  }
  HttpReply reply;
  reply.body = answer.whole().dump(-1, ' ', false, Json::error_handler_t::replace);
  return reply;
}

}  // namespace

HttpReply reply_with_generation(coordinator::RequestDoor& door,
                                ApiRequest request,
                                std::unique_ptr<ReplyBuilder> builder,
                                Peer& peer) {
  const bool streamed = request.stream;
  const std::string id = request.id;
  auto answer = std::make_shared<Answer>(door, std::move(request), std::move(builder));
  HttpReply reply;
  if (auto refusal = answer->run().start())
    reply = error_reply(*refusal);
  else if (streamed) {
    reply.content_type = "text/event-stream";
    reply.headers.emplace_back("Cache-Control", "no-cache");
    reply.headers.emplace_back("X-Accel-Buffering", "no");
    reply.stream = [answer](Peer& writer) { stream(*answer, writer); };
  } else {
    reply = whole(*answer, peer);
  }
  reply.headers.emplace_back("X-Request-Id", id);
  return reply;
}

}  // namespace shoal::http
