// A stream of generated text: printed as it comes, or kept for one JSON object. Several choices are
// printed one after the other when all have ended, each under a line that names it.
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
  explicit StreamPrinter(std::FILE* out, int num_choices = 1)  // null: keep only
      : out_(out), choices_(static_cast<size_t>(num_choices)) {}
  StreamPrinter(const StreamPrinter&) = delete;
  StreamPrinter& operator=(const StreamPrinter&) = delete;

  // Callbacks into this object. They throw Error (unexpected) when the reader of `out` has gone.
  client::StreamEvents events();
  // After the stream: what is not printed yet, and a newline unless the text ended in one.
  void end();

  const std::string& text() const { return choices_.front().text; }
  // One line: token counts, tokens a second, and what ended the text.
  std::string statistics() const;
  // {"text", "token_ids", "prompt_token_ids", "finish_reason", "usage", "timings"}, of the first
  // choice; where there are more, "choices" has all of them.
  nlohmann::ordered_json to_json(const std::vector<int32_t>& prompt_ids) const;
  // A list with one {"token_id", "logprob", "top"?} a token; null for the prompt's first.
  nlohmann::ordered_json logprobs_json(size_t choice = 0) const;
  nlohmann::ordered_json prompt_logprobs_json(const std::vector<int32_t>& prompt_ids) const;
  const std::string& prompt_text() const { return prompt_.text; }  // what was echoed

 private:
  struct Choice {
    std::string text;
    std::vector<int32_t> ids;
    std::vector<float> logprobs;
    std::vector<std::vector<plan::TokenLogprob>> top;
  };
  void print(const std::string& text);
  nlohmann::ordered_json choices_json() const;

  std::FILE* out_;
  std::vector<Choice> choices_;  // by index
  client::PromptPart prompt_;
  coordinator::Accepted accepted_;
  coordinator::Finished finished_;
};

// Everything of a request but its prompt.
client::GenerateOptions to_request(const SamplingOptions& sampling);

}  // namespace shoal::launch
