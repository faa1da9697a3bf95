// From rows of logits on the host to what a step reports: sampled tokens and scores. The same for
// every backend.
#pragma once
#include <functional>
#include <span>

#include "runtime/engine/local_step.h"
#include "runtime/engine/sampler.h"

namespace shoal::engine {

using ReportResult = std::function<void(plan::StepResult)>;

// Rows of logits made at once while scoring: enough to decode lm_head once for many of them,
// small enough to bound memory at any vocabulary.
inline constexpr int64_t kScoreRows = 32;

// The token that follows the sequence's last row, told to the sequence. `repeat`: of the burst.
plan::TokenScore sample_row(const LocalSequence& local,
                            std::span<const float> logits,
                            int repeat,
                            MaskedIds masked);

// The same for a token that was chosen elsewhere.
plan::TokenScore take_token(const LocalSequence& local, int32_t token, int repeat);

// Rows [first, last) of the sequence's rows in this step have a score; none where it wants none.
struct ScoredRows {
  int64_t first = 0, last = 0;
};
ScoredRows scored_rows(const LocalSequence& local);

// Scores of the sequence's rows from `begin` on, one a row of logits [n, vocab] on the host.
void add_scores(const LocalSequence& local,
                int64_t begin,
                TensorView logits,
                plan::StepResult& result);

// Sends what `result` holds on its way as a part, where it has become large.
void report_if_large(plan::StepResult& result, const ReportResult& report);

}  // namespace shoal::engine
