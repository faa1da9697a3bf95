// A stream of generated text: printed as it comes, or kept for one JSON object.
#pragma once
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "launch/options.h"
#include "runtime/coordinator/client/generate_client.h"

namespace shoal::launch {

class StreamPrinter {
 public:
  explicit StreamPrinter(std::FILE* out) : out_(out) {}  // null: keep only
  StreamPrinter(const StreamPrinter&) = delete;
  StreamPrinter& operator=(const StreamPrinter&) = delete;

  // Callbacks into this object. They throw Error (unexpected) when the reader of `out` has gone.
  client::StreamEvents events();
  void end_line();  // a newline, unless the text ended in one

  const std::string& text() const { return text_; }
  // One line: token counts, tokens a second, and what ended the text.
  std::string statistics() const;
  // {"text", "token_ids", "prompt_token_ids", "finish_reason", "usage", "timings"}
  nlohmann::ordered_json to_json(const std::vector<int32_t>& prompt_ids) const;
  // A list with one {"token_id", "logprob", "top"?} a token; null for the prompt's first.
  nlohmann::ordered_json logprobs_json() const;
  nlohmann::ordered_json prompt_logprobs_json(const std::vector<int32_t>& prompt_ids) const;
  const std::string& prompt_text() const { return prompt_.text; }  // what was echoed

 private:
  void print(const std::string& text);

  std::FILE* out_;
  std::string text_;
  std::vector<int32_t> ids_;
  std::vector<float> logprobs_;
  std::vector<std::vector<plan::TokenLogprob>> top_;
  client::PromptPart prompt_;
  coordinator::Accepted accepted_;
  coordinator::Finished finished_;
};

// Everything of a request but its prompt.
client::GenerateOptions to_request(const SamplingOptions& sampling);

}  // namespace shoal::launch
