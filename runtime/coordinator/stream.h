// One request's life in the coordinator: its tokens to text, where it stops, its timings.
#pragma once
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
         const text::Tokenizer& tokenizer,
         TimePoint submitted);

  plan::SequenceId id() const { return id_; }
  const GenerationRequest& request() const { return request_; }
  StreamSink& sink() { return *sink_; }
  int64_t num_tokens() const { return std::ssize(generated_); }
  // What was sent, so that new ranks can go on behind it.
  const std::vector<int32_t>& generated() const { return generated_; }
  // That the next token takes in its sequence.
  int64_t next_position() const { return std::ssize(request_.prompt_ids) + num_tokens(); }
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

  // `prefix`: what the scheduler found for it in the prefix cache. The first time counts.
  void admitted(TimePoint now, const cache::PrefixMatch& prefix);
  bool was_admitted() const { return admitted_ != TimePoint{}; }
  void prefilled(TimePoint now) { prefilled_ = now; }

  // Prompt tokens up to this position have their scores; those that are left to score.
  void scored_to(int64_t position) { scored_to_ = std::max(scored_to_, position); }
  plan::Score score_left() const;
  // The position of the next score; the row before it makes it.
  int64_t next_score() const { return score_start_left() + 1; }
  int64_t score_start_left() const { return std::max(request_.score_start, scored_to_); }

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
  std::vector<int32_t> generated_;
  int64_t scored_to_ = 0;
  std::optional<plan::SequenceId> fork_of_;
  bool has_forks_ = false;
  int64_t cached_tokens_ = 0;
  CacheReport cache_;
  FinishReason at_limit_ = FinishReason::kMaxTokens;
  std::string matched_stop_;
  TimePoint submitted_, admitted_{}, prefilled_{}, last_token_{};
};

}  // namespace shoal::coordinator
