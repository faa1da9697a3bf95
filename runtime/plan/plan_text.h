// The text form of plans: one line a plan, for logs, scripts (`shoal-engine replay`) and tests.
//   step 7 epoch 1 cap 64 | admit 3 home 0 slot 2 prompt 19 temp 0 seed 0 | run 3 start 0
//   tokens 8193,2608 blocks 4,5 sample | release 2
// Written only where they differ from the default: repeat (header); from (a checkpoint), shared
// (blocks), top_k, top_p, min_p, presence, frequency, repetition, bias (7:-1.5,9:2), min_tokens,
// end_ids, logprobs, grammar (percent-encoded), grammar_after, history (admit); tokens, blocks,
// sample, score, score_start, score_next, save (run). kPreviousSample is "prev".
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "runtime/plan/step_plan.h"

namespace shoal::plan {

std::string to_text(const StepPlan& plan);

// The inverse of to_text: parse_plan(to_text(p)) == p for every plan whose floats are finite.
// Empty, with `error` naming the word, when the line is not a plan. Words inside a section may come
// in any order, each once; the line may come from anywhere (a script, a log).
std::optional<StepPlan> parse_plan(std::string_view line, std::string& error);

}  // namespace shoal::plan
