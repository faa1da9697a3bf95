// How the next token is drawn, and what is told about it. Temperature 0 is greedy. The draw at
// position p of a sequence uses a counter-based generator keyed by (seed, p), so a resumed stream
// draws the same tokens. In which order the values act: runtime/engine/sampler.h.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace shoal::plan {

struct LogitBias {
  int32_t id = 0;
  float bias = 0;  // added to the logit
  bool operator==(const LogitBias&) const = default;
};

// What the text may be. The rank that samples follows the grammar; its state is a function of the
// generated tokens, so a resumed stream finds it again.
struct OutputConstraint {
  std::string gbnf;  // runtime/text/grammar/gbnf_parser.h; empty: any text
  int32_t starts_after =
      -1;  // >= 0: free until this token (the end of the reasoning) was generated
  bool operator==(const OutputConstraint&) const = default;
};

struct SamplingParams {
  float temperature = 0;  // >= 0
  int32_t top_k = 0;      // 0: off
  float top_p = 1;        // (0, 1]
  float min_p = 0;        // [0, 1]
  uint64_t seed = 0;

  float presence_penalty = 0;    // taken from tokens that were generated
  float frequency_penalty = 0;   // taken from them once for each time they were generated
  float repetition_penalty = 1;  // > 0; divides what prompt or generated text holds
  std::vector<LogitBias> logit_bias;
  int64_t min_tokens = 0;        // none of end_ids before so many tokens were generated
  std::vector<int32_t> end_ids;  // rising

  // -1: nothing; 0: the log-probability of each scored token; n: and the n likeliest beside it.
  int32_t logprobs = -1;

  OutputConstraint constraint;

  // Whether the draw depends on which tokens came before.
  bool looks_back() const {
    return presence_penalty != 0 || frequency_penalty != 0 || repetition_penalty != 1 ||
           !constraint.gbnf.empty();
  }
  bool operator==(const SamplingParams&) const = default;
};

}  // namespace shoal::plan
