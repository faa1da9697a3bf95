// The next token from a row of logits, and log-probabilities. Pure functions of their arguments:
// the draw is keyed by (seed, position), so a resumed or replayed stream draws the same tokens on
// any rank grid.
//
// The chain, in this order (docs/sampling.md says the same for users):
//   1. logit bias: logit += bias
//   2. repetition penalty r, for ids in the prompt or generated: logit / r where logit > 0,
//      logit * r elsewhere
//   3. frequency penalty f and presence penalty p, for ids generated n > 0 times:
//      logit -= n * f + p
//   4. bans, as if the id did not exist: masked ids; ids outside `allowed`; end ids while fewer
//      than min_tokens were generated (this one gives way where nothing else is left)
//   5. temperature 0 or top-k 1: the largest logit, ties to the lowest id. Else the candidates:
//   6. temperature: probabilities are softmax(logit / temperature) of what top-k leaves
//   7. top-k; top-p (smallest prefix whose probability reaches p); min-p (probability >=
//      min_p * the largest)
//   8. the draw, from what is left in proportion to its probability; in the order (logit falling,
//      id rising) after top-k or top-p, by rising id without them
// Log-probabilities are those of the model: of the logits before step 1.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/engine/token_history.h"
#include "runtime/plan/sampling_params.h"
#include "runtime/plan/step_plan.h"

namespace shoal::engine {

// ids that must never be produced (token type "unused"); rising.
using MaskedIds = std::span<const int32_t>;

struct SamplerInput {
  std::span<const float> logits;          // [vocab]
  int64_t position = 0;                   // that the token will take in its sequence
  int64_t num_generated = 0;              // tokens generated before it
  const TokenHistory* history = nullptr;  // of the sequence; null: nothing came before
  MaskedIds masked = {};
  // Bit id % 32 of word id / 32: whether the id may be produced. Empty: all may. This is where a
  // grammar says what comes next.
  std::span<const uint32_t> allowed = {};
};

// Ids of params outside the vocabulary are ignored. Asserts that something may be produced.
int32_t sample_token(const SamplerInput& input, const plan::SamplingParams& params);

// ln(sum exp(logits)), max subtracted, accumulated in double in rising id.
double log_sum_exp(std::span<const float> logits);

// The n likeliest ids, (logit falling, id rising); fewer when the vocabulary is smaller.
std::vector<plan::TokenLogprob> likeliest(std::span<const float> logits, double log_sum, int n);

// Uniform in [0, 1) with 24 random bits: Philox4x32-10 (Salmon et al., SC 2011) with the seed as
// key and the position as counter.
float uniform_at(uint64_t seed, uint64_t position);

}  // namespace shoal::engine
