#include "runtime/coordinator/http/reply_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/text/utf8.h"

namespace shoal::http {
namespace {

int64_t count_characters(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  });
}

Json bytes_of(const text::Tokenizer& tokenizer, int32_t id) {
  Json bytes = Json::array();
  for (const char c : tokenizer.piece(id)) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

double millis(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

std::string token_text(const text::Tokenizer& tokenizer, int32_t id) {
  const std::string piece(tokenizer.piece(id));
  if (text::is_well_formed(piece)) return piece;
  std::string spelled = "bytes:";
  for (const char c : piece) spelled += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return spelled;
}

Json chat_logprobs(const text::Tokenizer& tokenizer, const std::vector<ShownToken>& tokens) {
  Json content = Json::array();
  for (const ShownToken& token : tokens) {
    Json top = Json::array();
    for (const auto& [id, logprob] : token.top)
      top.push_back({{"token", token_text(tokenizer, id)},
                     {"logprob", logprob},
                     {"bytes", bytes_of(tokenizer, id)}});
    content.push_back({{"token", token_text(tokenizer, token.id)},
                       {"logprob", token.logprob.value_or(0.0f)},
                       {"bytes", bytes_of(tokenizer, token.id)},
                       {"top_logprobs", std::move(top)}});
  }
  return {{"content", std::move(content)}};
}

Json completion_logprobs(const text::Tokenizer& tokenizer,
                         const std::vector<ShownToken>& tokens,
                         int64_t& offset) {
  Json texts = Json::array(), logprobs = Json::array(), tops = Json::array(),
       offsets = Json::array();
  for (const ShownToken& token : tokens) {
    const std::string text = token_text(tokenizer, token.id);
    texts.push_back(text);
    logprobs.push_back(token.logprob ? Json(*token.logprob) : Json(nullptr));
    Json top = Json::object();
    for (const auto& [id, logprob] : token.top) {
      // Two tokens may have the same text; the likelier one counts.
      const std::string name = token_text(tokenizer, id);
      if (!top.contains(name) || top[name] < logprob) top[name] = logprob;
    }
    if (token.logprob && !top.empty() && !top.contains(text)) top[text] = *token.logprob;
    tops.push_back(token.logprob ? std::move(top) : Json(nullptr));
    offsets.push_back(offset);
    offset += count_characters(text);
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

Json usage_json(const std::vector<coordinator::Finished>& finished, int64_t reasoning_tokens) {
  int64_t prompt = 0, completion = 0, cached = 0;
  for (const auto& one : finished) {
    prompt += one.usage.prompt_tokens;
    completion += one.usage.completion_tokens;
    cached += one.usage.cached_tokens;
  }
  Json usage = {{"prompt_tokens", prompt},
                {"completion_tokens", completion},
                {"total_tokens", prompt + completion},
                {"prompt_tokens_details", {{"cached_tokens", cached}}}};
  if (reasoning_tokens > 0)
    usage["completion_tokens_details"] = {{"reasoning_tokens", reasoning_tokens}};
  return usage;
}

Json timings_json(const coordinator::Finished& finished) {
  const auto& timings = finished.timings;
  return {{"queue_ms", millis(timings.queue)},
          {"prompt_n", finished.usage.prompt_tokens},
          {"prompt_ms", millis(timings.prefill)},
          {"prompt_per_second", timings.prefill_tps},
          {"predicted_n", finished.usage.completion_tokens},
          {"predicted_ms", millis(timings.decode)},
          {"predicted_per_second", timings.decode_tps}};
}

Json ReplyFrame::json() const {
  return {{"id", id},
          {"object", object},
          {"created", created},
          {"model", model},
          {"system_fingerprint", fingerprint}};
}

}  // namespace shoal::http
