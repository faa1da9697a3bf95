// A typed client of the gRPC door, for the command line: plain values in and out, no protobuf.
// Calls block. One client may be used by several threads; failures are Error with exit code 6
// (7 when a rank was lost and the stream with it, 4 when nobody answers) and a line that a user
// can read.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/deadline.h"
#include "runtime/coordinator/client/client_access.h"
#include "runtime/coordinator/coordinator.h"
#include "runtime/coordinator/generation_request.h"
#include "runtime/coordinator/output_constraint.h"

namespace shoal::client {

struct ChatMessage {
  std::string role, content, reasoning_content;
  std::string tool_calls_json, tool_call_id;
};

struct ChatPrompt {
  std::vector<ChatMessage> messages;
  std::string tools_json;
  std::optional<bool> enable_thinking;
};

// Unset values are the server's to choose.
struct SamplingOptions {
  std::optional<float> temperature, top_p, min_p;
  std::optional<int32_t> top_k;
  std::optional<uint64_t> seed;
  std::optional<float> presence_penalty, frequency_penalty, repetition_penalty;
  std::vector<plan::LogitBias> logit_bias;
};

// What comes back beside the generated text.
struct OutputOptions {
  std::optional<int32_t> logprobs;  // 0: of each generated token; n: and the n likeliest
  bool prompt_logprobs = false;     // of the prompt's tokens too
  bool echo = false;                // the prompt's text
};

struct GenerateOptions {
  std::string request_id;                                              // empty: the server's
  std::variant<std::string, std::vector<int32_t>, ChatPrompt> prompt;  // text, ids, chat
  SamplingOptions sampling;
  coordinator::StopRules stop;
  int64_t max_tokens = 0;  // 0: up to the context
  int num_choices = 1;     // texts of the same prompt
  std::optional<coordinator::ConstraintSource> constraint;
  OutputOptions output;
  std::optional<std::chrono::milliseconds> timeout;
};

// A part of what OutputOptions asked about the prompt; parts add up.
struct PromptPart {
  std::string text;
  std::vector<float> logprobs;  // of the second token, the third, ...
  std::vector<std::vector<plan::TokenLogprob>> top;
};

// Any may be empty. Called on the thread that called stream_generate.
struct StreamEvents {
  std::function<void(const coordinator::Accepted&)> accepted;
  std::function<void(const PromptPart&)> prompt;
  std::function<void(const coordinator::Delta&)> delta;
  std::function<void(const coordinator::Finished&)> finished;
};

struct ModelFacts {
  std::string name, architecture;
  int64_t max_context = 0, context_length = 0, vocab_size = 0, parameters = 0;
  int num_layers = 0, num_experts = 0, num_experts_per_token = 0, num_files = 0;
  uint64_t total_bytes = 0;
  std::vector<std::pair<std::string, uint64_t>> bytes_by_type;  // largest first
  std::vector<int32_t> stop_ids;
  bool has_chat_template = false;
  SamplingOptions default_sampling;
  bool sampling_from_model = false;
};

struct RenderedChat {
  std::string text;
  std::vector<int32_t> ids;
};

class GenerateClient {
 public:
  // "HOST:PORT" or "unix:/path". Throws Error(kStartup, "cannot reach ...") at the deadline.
  explicit GenerateClient(const std::string& address,
                          const ClientAccess& access = {},
                          Deadline deadline = Deadline::after(std::chrono::seconds(5)));
  ~GenerateClient();

  // Text that is not UTF-8 has U+FFFD in place of the bad bytes when the server sees it. While it
  // runs, a set `interrupted` flag (a signal handler's) cancels the request within 50 ms; then it
  // throws Error(kRequest, "cancelled").
  void stream_generate(const GenerateOptions& options,
                       const StreamEvents& events,
                       const std::atomic<bool>* interrupted = nullptr);
  bool cancel(const std::string& request_id);  // false: no such request

  coordinator::ClusterStatus get_cluster();
  ModelFacts get_model();
  std::vector<int32_t> tokenize(const std::string& text, bool parse_special_tokens = true);
  std::string detokenize(const std::vector<int32_t>& ids, bool skip_special_tokens = true);
  RenderedChat render_chat(const ChatPrompt& chat);

 private:
  struct Stubs;
  std::unique_ptr<Stubs> stubs_;
};

}  // namespace shoal::client
