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
  std::vector<int32_t> prompt;
  int64_t max_tokens = 0;
  plan::Score score = plan::Score::kNone;
  int64_t score_start = 0;

  int home = 0;
  int slot = 0;
  std::vector<plan::BlockId> blocks;  // for its whole length, taken at admission
  int64_t blocks_sent = 0;            // told to the ranks so far
  int64_t planned = 0;                // positions that plans already cover
  int64_t samples_planned = 0;
  int64_t samples_known = 0;
  int32_t last_sample = plan::kPreviousSample;  // known only when samples_known == samples_planned
  plan::StepId last_step = 0;

  int64_t prompt_len() const { return static_cast<int64_t>(prompt.size()); }
  bool in_prefill() const { return planned < prompt_len(); }
  bool wants_decode() const { return !in_prefill() && samples_planned < max_tokens; }
};

}  // namespace shoal::scheduler
