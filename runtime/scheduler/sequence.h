// A sequence as the scheduler sees it.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/plan/step_plan.h"

namespace shoal::scheduler {

struct NewSequence {
  plan::SequenceId id = 0;      // rising with each admission
  std::vector<int32_t> prompt;  // not empty
  plan::SamplingParams sampling;
  int64_t max_tokens = 0;  // samples at most; 0: only the prompt is run (and scored)
  plan::Score score = plan::Score::kNone;
  int64_t score_start = 0;
};

struct Sequence {
  plan::SequenceId id = 0;
  std::vector<int32_t> tokens;  // the prompt, then every sample that is known
  int64_t prompt_len = 0;       // of the request
  plan::SamplingParams sampling;
  int64_t max_tokens = 0;
  plan::Score score = plan::Score::kNone;
  int64_t score_start = 0;

  int home = 0;
  int slot = 0;
  std::vector<plan::BlockId> blocks;
  int64_t blocks_sent = 0;  // told to the ranks so far
  int64_t prefill_len = 0;  // tokens that were known when it was admitted: they run in chunks
  int64_t planned = 0;      // positions that plans already cover
  int64_t samples_planned = 0;
  plan::StepId last_step = 0;

  bool in_prefill() const { return planned < prefill_len; }
  bool wants_decode() const { return !in_prefill() && samples_planned < max_tokens; }
  int64_t samples_known() const { return static_cast<int64_t>(tokens.size()) - prompt_len; }
  int64_t max_len() const { return prompt_len + max_tokens; }
  // The token at the next position, or kPreviousSample while only the ranks know it.
  int32_t next_token() const {
    return planned < static_cast<int64_t>(tokens.size()) ? tokens[static_cast<size_t>(planned)]
                                                         : plan::kPreviousSample;
  }
};

}  // namespace shoal::scheduler
