#include "runtime/coordinator/stream.h"

#include <algorithm>

namespace shoal::coordinator {

const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStopToken:
    case FinishReason::kStopSequence:
      return "stop";
    case FinishReason::kMaxTokens:
    case FinishReason::kContextFull:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kTimeLimit:
      return "time_limit";
  }
  return "?";
}

Stream::Stream(plan::SequenceId id,
               GenerationRequest request,
               std::shared_ptr<StreamSink> sink,
               const text::Tokenizer& tokenizer,
               TimePoint submitted)
    : id_(id),
      request_(std::move(request)),
      sink_(std::move(sink)),
      tokenizer_(tokenizer),
      detokenizer_(tokenizer),
      stops_(request_.stop.strings),
      submitted_(submitted) {}

void Stream::admitted(TimePoint now, const cache::PrefixMatch& prefix) {
  if (was_admitted()) return;
  admitted_ = now;
  cached_tokens_ = prefix.tokens;
  cache_ = {.shared_tokens = prefix.shared_tokens, .end = cache::prefix_end_name(prefix.end)};
}

plan::Score Stream::score_left() const {
  const bool of_prompt =
      request_.score == plan::Score::kChunk || request_.score == plan::Score::kFullLogits;
  const bool all = num_tokens() > 0 || scored_to_ >= std::ssize(request_.prompt_ids) - 1;
  return of_prompt && all ? plan::Score::kNone : request_.score;
}

bool Stream::is_stop_token(int32_t token) const {
  if (!request_.stop.ignore_eos && tokenizer_.is_end(token)) return true;
  const auto& ids = request_.stop.token_ids;
  return std::find(ids.begin(), ids.end(), token) != ids.end();
}

Stream::Step Stream::take(const plan::TokenScore& score, TimePoint now) {
  const int32_t token = score.token;
  Step step;
  if (generated_.empty()) prefilled_ = now;
  last_token_ = now;
  generated_.push_back(token);
  step.delta.token_ids = {token};
  step.delta.logprobs = {score.logprob};
  if (request_.sampling.logprobs > 0) step.delta.top = {score.top};
  if (is_stop_token(token)) {
    step.finished = FinishReason::kStopToken;
    matched_stop_ = tokenizer_.piece(token);
  } else {
    const std::string text = detokenizer_.push(token);
    step.delta.text = num_tokens() > request_.stop.min_tokens ? stops_.push(text) : text;
    if (stops_.matched()) {
      step.finished = FinishReason::kStopSequence;
      matched_stop_ = request_.stop.strings[*stops_.matched()];
    } else if (num_tokens() >= request_.max_tokens) {
      step.finished = at_limit_;
    }
  }
  if (step.finished && *step.finished != FinishReason::kStopSequence) {
    // A stop string that the last held-back character completes still counts.
    step.delta.text += stops_.push(detokenizer_.flush());
    step.delta.text += stops_.flush();
  }
  return step;
}

Finished Stream::finish(FinishReason reason, TimePoint now) const {
  Finished out;
  out.reason = reason;
  out.matched_stop = matched_stop_;
  out.usage = {static_cast<int64_t>(request_.prompt_ids.size()), num_tokens(), cached_tokens_};
  out.cache = cache_;
  out.choices = {{.reason = reason,
                  .matched_stop = matched_stop_,
                  .completion_tokens = num_tokens(),
                  .cached_tokens = cached_tokens_,
                  .seed = request_.sampling.seed}};
  const TimePoint admitted = was_admitted() ? admitted_ : now;
  const TimePoint prefilled = prefilled_ != TimePoint{} ? prefilled_ : now;
  out.timings.queue = admitted - submitted_;
  out.timings.prefill = prefilled - admitted;
  out.timings.first_token = prefilled - submitted_;
  out.timings.decode = num_tokens() > 0 ? last_token_ - prefilled : std::chrono::nanoseconds(0);
  out.timings.total = now - submitted_;
  const auto per_second = [](int64_t count, std::chrono::nanoseconds time) {
    return time.count() > 0 ? static_cast<double>(count) * 1e9 / static_cast<double>(time.count())
                            : 0.0;
  };
  out.timings.prefill_tps =
      per_second(out.usage.prompt_tokens - cached_tokens_, out.timings.prefill);
  // The first token belongs to the prefill.
  out.timings.decode_tps = per_second(num_tokens() - 1, out.timings.decode);
  return out;
}

}  // namespace shoal::coordinator
