// One request's life in the coordinator: its tokens to text, where it stops, its timings.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "runtime/coordinator/generation_request.h"
#include "runtime/scheduler/sequence.h"
#include "runtime/text/detokenizer.h"
#include "runtime/text/stop_strings.h"
#include "runtime/text/tokenizer.h"

namespace shoal::coordinator {

class Stream {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  Stream(plan::SequenceId id,
         GenerationRequest request,
         std::shared_ptr<StreamSink> sink,
         const text::Tokenizer& tokenizer);

  plan::SequenceId id() const { return id_; }
  const GenerationRequest& request() const { return request_; }
  StreamSink& sink() { return *sink_; }
  int64_t num_tokens() const { return num_tokens_; }
  bool scores_only() const { return request_.max_tokens == 0; }
  // The context ends before the request's own limit.
  void limited_by_context() { at_limit_ = FinishReason::kContextFull; }

  // Of several choices: where it starts from, or that others start from it.
  void set_fork(std::optional<plan::SequenceId> fork_of, bool has_forks) {
    fork_of_ = fork_of;
    has_forks_ = has_forks;
  }
  std::optional<plan::SequenceId> fork_of() const { return fork_of_; }
  bool has_forks() const { return has_forks_; }

  // `prefix`: what the scheduler found for it in the prefix cache.
  void admitted(TimePoint now, const cache::PrefixMatch& prefix);
  bool was_admitted() const { return admitted_ != TimePoint{}; }
  void prefilled(TimePoint now) { prefilled_ = now; }

  // Takes the next token; gives the delta to send and, when it ends the stream, why.
  struct Step {
    Delta delta;
    std::optional<FinishReason> finished;
  };
  Step take(const plan::TokenScore& score, TimePoint now);

  // What sink().finished() gets. A stream that ends by its own tokens has its reason in Step.
  Finished finish(FinishReason reason, TimePoint now) const;

 private:
  bool is_stop_token(int32_t token) const;

  plan::SequenceId id_;
  GenerationRequest request_;
  std::shared_ptr<StreamSink> sink_;
  const text::Tokenizer& tokenizer_;
  text::Detokenizer detokenizer_;
  text::StopMatcher stops_;
  int64_t num_tokens_ = 0;
  std::optional<plan::SequenceId> fork_of_;
  bool has_forks_ = false;
  int64_t cached_tokens_ = 0;
  CacheReport cache_;
  FinishReason at_limit_ = FinishReason::kMaxTokens;
  std::string matched_stop_;
  TimePoint submitted_, admitted_{}, prefilled_{}, last_token_{};
};

}  // namespace shoal::coordinator
