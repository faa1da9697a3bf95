// Pieces of OpenAI's replies as JSON: usage, timings, log-probabilities, the frame around choices.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runtime/coordinator/generation_request.h"
#include "runtime/text/tokenizer.h"

namespace shoal::http {

using Json = nlohmann::ordered_json;

struct ShownToken {
  int32_t id = 0;
  std::optional<float> logprob;         // none: the first token of a prompt
  std::vector<plan::TokenLogprob> top;  // the likeliest tokens in its place
};

// A token as replies spell it: its text, or "bytes:\xe2\x82" for a part of a character.
std::string token_text(const text::Tokenizer& tokenizer, int32_t id);

// {"content": [{token, logprob, bytes, top_logprobs}]}
Json chat_logprobs(const text::Tokenizer& tokenizer, const std::vector<ShownToken>& tokens);

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}; offsets in characters, from `offset`
// on, which is moved behind the last token.
Json completion_logprobs(const text::Tokenizer& tokenizer,
                         const std::vector<ShownToken>& tokens,
                         int64_t& offset);

// Several prompts count together.
Json usage_json(const std::vector<coordinator::Finished>& finished, int64_t reasoning_tokens);
// The first stream's, in llama.cpp's words.
Json timings_json(const coordinator::Finished& finished);

// id, object, created, model, system_fingerprint; choices are the caller's.
struct ReplyFrame {
  std::string id, object, model, fingerprint;
  int64_t created = 0;
  Json json() const;
};

}  // namespace shoal::http
