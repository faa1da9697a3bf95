#include "runtime/coordinator/http/reply_builder.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::http {
namespace {

struct ToolCall {
  std::string id, name, arguments;
};

// One choice of a chat while it comes.
class ChatChoice {
 public:
  ChatChoice(size_t idx, const answer::AnswerOptions& options) : idx_(idx), parser_(options) {}

  bool in_reasoning() const { return parser_.in_reasoning(); }

  // Empty when there is nothing to send yet. logprobs: null unless they are wanted.
  std::vector<Json> add(const std::string& text, Json logprobs) {
    Json message = take(parser_.push(text));
    if (message.empty() && logprobs.is_null() && role_sent_) return {};
    return {chunk(std::move(message), std::move(logprobs), nullptr)};
  }

  std::vector<Json> finish(const std::string& reason) {
    std::vector<Json> chunks;
    Json rest = take(parser_.finish());
    if (!rest.empty()) chunks.push_back(chunk(std::move(rest), nullptr, nullptr));
    finish_reason_ = !calls_.empty() && reason == "stop" ? "tool_calls" : reason;
    chunks.push_back(chunk(Json::object(), nullptr, finish_reason_));
    return chunks;
  }

  Json whole(Json logprobs) const {
    Json message = {{"role", "assistant"}};
    message["content"] = content_.empty() && !calls_.empty() ? Json(nullptr) : Json(content_);
    if (!reasoning_.empty()) message["reasoning_content"] = reasoning_;
    if (!calls_.empty()) {
      message["tool_calls"] = Json::array();
      for (const ToolCall& call : calls_)
        message["tool_calls"].push_back(
            {{"id", call.id},
             {"type", "function"},
             {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
    message["refusal"] = nullptr;
    return {{"index", idx_},
            {"message", std::move(message)},
            {"logprobs", std::move(logprobs)},
            {"finish_reason", finish_reason_}};
  }

 private:
  // Keeps a copy for the whole reply; gives the message's delta.
  Json take(const answer::AnswerDelta& delta) {
    Json message = Json::object();
    if (!delta.reasoning.empty()) message["reasoning_content"] = delta.reasoning;
    if (!delta.content.empty()) message["content"] = delta.content;
    reasoning_ += delta.reasoning;
    content_ += delta.content;
    for (const answer::CallDelta& call : delta.calls) {
      Json entry = {{"index", call.index}};
      Json function = Json::object();
      if (!call.name.empty()) {
        calls_.push_back({"call_" + coordinator::random_request_id().substr(0, 24), call.name, ""});
        entry["id"] = calls_.back().id;
        entry["type"] = "function";
        function["name"] = call.name;
      }
      calls_.back().arguments += call.arguments;
      function["arguments"] = call.arguments;
      entry["function"] = std::move(function);
      message["tool_calls"].push_back(std::move(entry));
    }
    return message;
  }

  Json chunk(Json message, Json logprobs, const Json& finish_reason) {
    // The role goes with the first token: an event before it would make first-token times a lie.
    if (!role_sent_) {
      Json first = {{"role", "assistant"}};
      if (message.empty()) first["content"] = "";
      first.update(message);
      message = std::move(first);
      role_sent_ = true;
    }
    return {{"index", idx_},
            {"delta", std::move(message)},
            {"logprobs", std::move(logprobs)},
            {"finish_reason", finish_reason}};
  }

  const size_t idx_;
  answer::AnswerParser parser_;
  bool role_sent_ = false;
  std::string reasoning_, content_, finish_reason_;
  std::vector<ToolCall> calls_;
};

class ChatReply final : public ReplyBuilder {
 public:
  ChatReply(const ApiRequest& request,
            const text::Tokenizer& tokenizer,
            const answer::AnswerMarkers& markers)
      : logprobs_wanted_(request.logprobs), tokenizer_(tokenizer), markers_(markers) {
    const auto num_choices = static_cast<size_t>(request.prompts.front().num_choices);
    for (size_t i = 0; i < num_choices; ++i) choices_.emplace_back(i, request.answer);
    logprobs_.resize(num_choices);
  }

  const char* whole_object() const override { return "chat.completion"; }
  const char* chunk_object() const override { return "chat.completion.chunk"; }
  const char* id_prefix() const override { return "chatcmpl-"; }
  int64_t reasoning_tokens() const override { return reasoning_tokens_; }

  std::vector<Json> add(size_t, const coordinator::Delta& delta) override {
    const auto idx = static_cast<size_t>(delta.index);
    if (idx >= choices_.size()) return {};
    if (choices_[idx].in_reasoning()) reasoning_tokens_ += std::ssize(delta.token_ids);
    std::string text = delta.text;
    for (const int32_t id : delta.token_ids) text += markers_.hidden(id);
    Json logprobs = nullptr;
    if (logprobs_wanted_) {
      const auto tokens = logprobs_of(delta);
      logprobs_[idx].insert(logprobs_[idx].end(), tokens.begin(), tokens.end());
      logprobs = chat_logprobs(tokenizer_, tokens);
    }
    return choices_[idx].add(text, std::move(logprobs));
  }

  std::vector<Json> add_scores(size_t, const std::vector<plan::TokenScore>&) override { return {}; }

  std::vector<Json> finish(size_t, const coordinator::Finished& finished) override {
    std::vector<Json> chunks;
    for (size_t i = 0; i < choices_.size(); ++i)
      for (Json& chunk : choices_[i].finish(reason_of(finished, i)))
        chunks.push_back(std::move(chunk));
    return chunks;
  }

  Json choices() override {
    Json list = Json::array();
    for (size_t i = 0; i < choices_.size(); ++i)
      list.push_back(choices_[i].whole(logprobs_wanted_ ? chat_logprobs(tokenizer_, logprobs_[i])
                                                        : Json(nullptr)));
    return list;
  }

 private:
  const bool logprobs_wanted_;
  const text::Tokenizer& tokenizer_;
  const answer::AnswerMarkers& markers_;
  std::vector<ChatChoice> choices_;
  std::vector<std::vector<ShownToken>> logprobs_;
  int64_t reasoning_tokens_ = 0;
};

}  // namespace

std::unique_ptr<ReplyBuilder> chat_reply(const ApiRequest& request,
                                         const text::Tokenizer& tokenizer,
                                         const answer::AnswerMarkers& markers) {
  return std::make_unique<ChatReply>(request, tokenizer, markers);
}

}  // namespace shoal::http
