// The next token from a row of logits, and log-probabilities. Pure functions of their arguments:
// the draw is keyed by (seed, position), so a resumed or replayed stream draws the same tokens on
// any rank grid.
//
// The chain, in this order, on candidates sorted by (logit falling, id rising):
//   masked ids out; temperature; top-k; top-p (smallest prefix whose probability reaches p);
//   min-p (probability >= min_p * the largest); draw.
// Temperature 0 is the largest logit, ties to the lowest id.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/plan/sampling_params.h"

namespace shoal::engine {

// ids that must never be produced (token type "unused"); rising.
using MaskedIds = std::span<const int32_t>;

int32_t sample_token(std::span<const float> logits,
                     const plan::SamplingParams& params,
                     int64_t position,
                     MaskedIds masked);

int32_t argmax_token(std::span<const float> logits, MaskedIds masked);

// ln(sum exp(logits)), max subtracted, accumulated in double in rising id.
double log_sum_exp(std::span<const float> logits);

// Uniform in [0, 1) with 24 random bits: Philox4x32-10 (Salmon et al., SC 2011) with the seed as
// key and the position as counter.
float uniform_at(uint64_t seed, uint64_t position);

}  // namespace shoal::engine
