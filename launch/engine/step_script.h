// Plans made beforehand instead of by a scheduler: prompts are read one after another in chunks,
// then all sequences decode together. What `shoal-engine` runs where there is no coordinator.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/plan/step_plan.h"
#include "sharding/shard_plan.h"

namespace shoal::launch {

struct ScriptSequence {
  std::vector<int32_t> prompt;  // at least one token
  int64_t num_generated = 0;    // the first is sampled at the prompt's end
  plan::Score score = plan::Score::kNone;
  int64_t score_start = 0;
};

// Sequence i has id i + 1 and home i % num_homes. Throws Error (does not fit) when blocks or slots
// run out, and Error (request) when a sequence is longer than the context.
// `longest_burst`: decode steps that a plan may hold while the same sequences go on.
std::vector<plan::StepPlan> make_script(const sharding::ShardPlan& shards,
                                        const std::vector<ScriptSequence>& sequences,
                                        int64_t longest_burst = 1);

// Scripts one after another, as one: each begins by releasing the sequences of the one before it.
std::vector<plan::StepPlan> join_scripts(std::vector<std::vector<plan::StepPlan>> scripts);

}  // namespace shoal::launch
