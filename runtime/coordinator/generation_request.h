// What a client asked for, after its text was rendered and tokenised, and what it gets back.
// Shared by the gRPC door, the HTTP door and the commands that run in-process.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/deadline.h"
#include "runtime/plan/step_plan.h"

namespace shoal::coordinator {

struct StopRules {
  std::vector<std::string> strings;  // output is cut exactly before the first match
  std::vector<int32_t> token_ids;
  bool ignore_eos = false;
  // Before so many tokens neither the end tokens nor token_ids are produced, and no string stops.
  int64_t min_tokens = 0;
};

// Log-probabilities are asked for in two places: of generated tokens by sampling.logprobs (0: the
// token's own; n: and the n likeliest beside it), in Delta; of prompt tokens by score = kChunk, in
// StreamSink::scored(), where sampling.logprobs decides about the likeliest too. Echo is a door's
// own affair: it has the prompt. sampling.min_tokens and end_ids are filled from `stop`.
struct GenerationRequest {
  std::string request_id;  // empty: the coordinator makes one
  std::string model;       // any name is accepted while one model is served
  std::vector<int32_t> prompt_ids;
  plan::SamplingParams sampling;
  int64_t max_tokens = 0;  // 0: up to the context
  StopRules stop;
  plan::Score score = plan::Score::kNone;  // kChunk, kFullLogits: score the prompt, see score_start
  int64_t score_start = 0;
  Deadline deadline = Deadline::never();
  std::string owner;  // the name of the client's key; empty where none is asked for
  // The prefix cache is shared only between requests of equal owner and salt.
  std::string cache_salt;
  int num_choices = 1;  // texts of the same prompt, each with a seed of its own
};

enum class FinishReason : uint8_t {
  kStopToken,
  kStopSequence,
  kMaxTokens,
  kContextFull,
  kCancelled,
  kTimeLimit
};
const char* finish_reason_name(
    FinishReason reason);  // "stop", "length", "cancelled", ... as OpenAI

struct Usage {
  int64_t prompt_tokens = 0, completion_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt: they were not run, but found in the prefix cache
};

// How far the prompt was found in the prefix cache, and why not farther.
struct CacheReport {
  int64_t shared_tokens = 0;  // in common with the cached text that is nearest
  std::string end;            // cache::prefix_end_name()
};

struct ChoiceEnd {
  FinishReason reason = FinishReason::kMaxTokens;
  std::string matched_stop;
  int64_t completion_tokens = 0, cached_tokens = 0;
  uint64_t seed = 0;
};

struct Timings {
  std::chrono::nanoseconds queue{0}, prefill{0}, first_token{0}, decode{0}, total{0};
  double prefill_tps = 0, decode_tps = 0;
};

struct Accepted {
  std::string request_id;
  int64_t prompt_tokens = 0;
  int queue_position = 0;  // 0: runs at once
  uint64_t seed = 0;
};

struct Delta {
  int index = 0;                                     // of the choice
  std::string text;                                  // whole UTF-8 characters
  std::vector<int32_t> token_ids;                    // includes the stop token that ended the text
  std::vector<float> logprobs;                       // one a token
  std::vector<std::vector<plan::TokenLogprob>> top;  // one a token where sampling.logprobs > 0
};

struct Finished {
  FinishReason reason = FinishReason::kMaxTokens;
  std::string matched_stop;
  Usage usage;  // completion tokens of all choices; the rest, like the timings, of the first
  Timings timings;
  CacheReport cache;
  std::vector<ChoiceEnd> choices;  // by index
};

// Why a request was refused or failed. Mapped once to a gRPC status and to an HTTP code.
enum class FailureCode : uint8_t {
  kInvalidArgument,
  kNotFound,
  kAlreadyExists,
  kResourceExhausted,
  kUnavailable,
  kUnimplemented,
  kDeadlineExceeded,
  kCancelled,
  kInternal,
  kDataLoss
};

struct FieldViolation {
  std::string field, description;  // "sampling.temperature", "-1 is outside 0..100"
};

struct Failure {
  FailureCode code = FailureCode::kInternal;
  std::string message;  // one line, no paths, no host names
  std::string reason;   // ErrorInfo: CONTEXT_LENGTH_EXCEEDED, MODEL_LOADING, CLUSTER_FAILED...
  std::map<std::string, std::string> metadata;
  std::vector<FieldViolation> violations;
  std::chrono::milliseconds retry_after{0};  // > 0: RetryInfo
};

// Receives one stream's events in order, on the coordinator's thread: must not block. After
// finished() or failed() nothing follows.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual void accepted(const Accepted&) {}
  virtual void delta(Delta) {}
  // Prompt tokens from the second (or from score_start) on, each once, positions rising, all of
  // them before the first delta of the first choice.
  virtual void scored(std::vector<plan::TokenScore>) {}
  virtual void finished(const Finished&) = 0;
  virtual void failed(const Failure&) = 0;
};

}  // namespace shoal::coordinator
