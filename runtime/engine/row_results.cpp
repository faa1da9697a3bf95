#include "runtime/engine/row_results.h"

#include <algorithm>

namespace shoal::engine {
namespace {

// A result is sent on its way when its rows reach this size.
constexpr size_t kResultBytes = 8u << 20;

// Of score.token, and the likeliest ids if they are wanted. Returns log_sum_exp(row).
double add_logprobs(std::span<const float> row,
                    const plan::SamplingParams& params,
                    plan::TokenScore& score) {
  const double log_sum = log_sum_exp(row);
  score.logprob = static_cast<float>(row[static_cast<size_t>(score.token)] - log_sum);
  if (params.logprobs > 0) score.top = likeliest(row, log_sum, params.logprobs);
  return log_sum;
}

// The token after a row of the step, or -1.
int32_t next_token(const LocalSequence& local, int64_t row) {
  const plan::ScheduledSequence& scheduled = *local.scheduled;
  return row + 1 < local.num_rows ? scheduled.tokens[static_cast<size_t>(row) + 1]
                                  : scheduled.score_next;
}

}  // namespace

plan::TokenScore sample_row(const LocalSequence& local,
                            std::span<const float> logits,
                            int repeat,
                            MaskedIds masked) {
  const int64_t position = local.scheduled->start + repeat + local.num_rows;
  const plan::Admission& admission = local.sequence->admission;
  plan::TokenScore score{.id = local.scheduled->id, .position = position, .sampled = true};
  score.token = sample_token({.logits = logits,
                              .position = position,
                              .num_generated = position - admission.prompt_len,
                              .history = &local.sequence->history,
                              .masked = masked,
                              .allowed = local.sequence->allowed()},
                             admission.sampling);
  if (local.scheduled->score == plan::Score::kSampled || admission.sampling.logprobs >= 0)
    add_logprobs(logits, admission.sampling, score);
  local.sequence->took(score.token);
  return score;
}

plan::TokenScore take_token(const LocalSequence& local, int32_t token, int repeat) {
  local.sequence->took(token);
  return {.id = local.scheduled->id,
          .position = local.scheduled->start + repeat + local.num_rows,
          .token = token,
          .sampled = true};
}

ScoredRows scored_rows(const LocalSequence& local) {
  const plan::ScheduledSequence& scheduled = *local.scheduled;
  if (scheduled.score != plan::Score::kChunk && scheduled.score != plan::Score::kFullLogits)
    return {};
  const bool has_next = next_token(local, local.num_rows - 1) >= 0;
  return {.first = std::max<int64_t>(scheduled.score_start - scheduled.start, 0),
          .last = has_next ? local.num_rows : local.num_rows - 1};
}

void add_scores(const LocalSequence& local,
                int64_t begin,
                TensorView logits,
                plan::StepResult& result) {
  const plan::ScheduledSequence& scheduled = *local.scheduled;
  for (int64_t i = 0; i < logits.rows(); ++i) {
    const std::span<float> row(logits.row(i), static_cast<size_t>(logits.cols()));
    plan::TokenScore score{.id = scheduled.id,
                           .position = scheduled.start + begin + i + 1,
                           .token = next_token(local, begin + i)};
    const double log_sum = add_logprobs(row, local.sequence->admission.sampling, score);
    if (scheduled.score == plan::Score::kFullLogits) {
      score.row.resize(row.size());
      for (size_t id = 0; id < row.size(); ++id)
        score.row[id] = static_cast<float>(row[id] - log_sum);
    }
    result.tokens.push_back(std::move(score));
  }
}

void report_if_large(plan::StepResult& result, const ReportResult& report) {
  const size_t row_size = result.tokens.empty() ? 0 : result.tokens.back().row.size();
  if (result.tokens.size() * row_size * sizeof(float) < kResultBytes) return;
  plan::StepResult part = result;
  part.final_part = false;
  report(std::move(part));
  result.tokens.clear();
}

}  // namespace shoal::engine
