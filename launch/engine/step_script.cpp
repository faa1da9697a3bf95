#include "launch/engine/step_script.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

// Blocks and slots of the home groups' pools, handed out once and never taken back.
class Pools {
 public:
  explicit Pools(const sharding::ShardPlan& shards)
      : shards_(shards), used_(static_cast<size_t>(shards.grid.num_home_groups())) {}

  int take_slot(int home) { return take(group(home).slots, shards_.num_slots, "state slots"); }
  std::vector<plan::BlockId> take_blocks(int home, int64_t num_tokens) {
    std::vector<plan::BlockId> blocks;
    for (int64_t held = 0; held < num_tokens; held += shards_.block_size)
      blocks.push_back(take(group(home).blocks, shards_.num_blocks, "KV blocks"));
    return blocks;
  }

 private:
  struct Used {
    int blocks = 0, slots = 0;
  };
  Used& group(int home) { return used_[static_cast<size_t>(home) % used_.size()]; }
  static int take(int& used, int limit, const char* what) {
    if (used >= limit)
      throw Error(ExitCode::kDoesNotFit,
                  fmt::format("the script needs more than {} {}", limit, what));
    return used++;
  }

  const sharding::ShardPlan& shards_;
  std::vector<Used> used_;
};

// The most tokens that the plan gives to any one rank.
int capacity(const sharding::RankGrid& grid,
             const plan::StepPlan& step,
             const std::vector<int>& home_of) {
  std::vector<int> tokens(static_cast<size_t>(grid.world_size()));
  for (const plan::ScheduledSequence& sequence : step.sequences)
    for (int stage = 0; stage < grid.num_stages(); ++stage)
      tokens[static_cast<size_t>(grid.owner(stage, home_of[sequence.id]))] +=
          static_cast<int>(sequence.tokens.size());
  return *std::max_element(tokens.begin(), tokens.end());
}

}  // namespace

std::vector<plan::StepPlan> make_script(const sharding::ShardPlan& shards,
                                        const std::vector<ScriptSequence>& sequences,
                                        int64_t longest_burst) {
  Pools pools(shards);
  std::vector<plan::StepPlan> script;
  std::vector<int> home_of = {0};
  const auto push = [&](plan::StepPlan step) {
    step.epoch = 1;
    step.step_id = script.size() + 1;
    step.token_capacity = capacity(shards.grid, step, home_of);
    script.push_back(std::move(step));
  };

  for (size_t i = 0; i < sequences.size(); ++i) {
    const ScriptSequence& sequence = sequences[i];
    const auto prompt_len = static_cast<int64_t>(sequence.prompt.size());
    const int64_t length = prompt_len + sequence.num_generated;
    if (length > shards.max_context)
      throw Error(ExitCode::kRequest,
                  fmt::format("a sequence of {} tokens is longer than the context, {}",
                              length,
                              shards.max_context));
    const int home = static_cast<int>(i) % shards.grid.num_homes();
    home_of.push_back(home);
    for (int64_t start = 0; start < prompt_len; start += shards.max_batch_tokens) {
      const int64_t end = std::min<int64_t>(start + shards.max_batch_tokens, prompt_len);
      plan::ScheduledSequence chunk;
      chunk.id = i + 1;
      chunk.start = start;
      chunk.tokens.assign(sequence.prompt.begin() + start, sequence.prompt.begin() + end);
      chunk.score = sequence.score;
      chunk.score_start = sequence.score_start;
      if (end < prompt_len) chunk.score_next = sequence.prompt[static_cast<size_t>(end)];
      chunk.sample = end == prompt_len && sequence.num_generated > 0;
      plan::StepPlan step;
      if (start == 0) {
        step.admitted.push_back({.id = chunk.id,
                                 .home = home,
                                 .state_slot = pools.take_slot(home),
                                 .prompt_len = prompt_len});
        chunk.new_blocks = pools.take_blocks(home, length);
      }
      step.sequences.push_back(std::move(chunk));
      push(std::move(step));
    }
  }

  for (int64_t done = 1, burst = 1;; done += burst) {
    plan::StepPlan step;
    burst = longest_burst;
    for (size_t i = 0; i < sequences.size(); ++i) {
      if (sequences[i].num_generated <= done) continue;
      burst = std::min(burst, sequences[i].num_generated - done);
      plan::ScheduledSequence decode;
      decode.id = i + 1;
      decode.start = static_cast<int64_t>(sequences[i].prompt.size()) + done - 1;
      decode.tokens = {plan::kPreviousSample};
      decode.sample = true;
      step.sequences.push_back(std::move(decode));
    }
    if (step.sequences.empty()) break;
    step.num_repeats = static_cast<int>(burst);
    push(std::move(step));
  }
  return script;
}

std::vector<plan::StepPlan> join_scripts(std::vector<std::vector<plan::StepPlan>> scripts) {
  std::vector<plan::StepPlan> joined;
  plan::SequenceId taken = 0;  // ids below it are the earlier scripts'
  std::vector<plan::SequenceId> here;
  for (std::vector<plan::StepPlan>& script : scripts) {
    const plan::SequenceId offset = taken;
    if (!script.empty()) script.front().released = std::move(here);
    here.clear();
    for (plan::StepPlan& step : script) {
      step.step_id = joined.size() + 1;
      for (plan::Admission& admission : step.admitted) {
        admission.id += offset;
        here.push_back(admission.id);
        taken = std::max(taken, admission.id);
      }
      for (plan::ScheduledSequence& sequence : step.sequences) sequence.id += offset;
      joined.push_back(std::move(step));
    }
  }
  return joined;
}

}  // namespace shoal::launch
