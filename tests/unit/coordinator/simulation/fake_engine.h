// What the ranks of one epoch compute, without arithmetic: a sequence's state is a hash of its
// tokens, and its next token is drawn from that hash and the seed. KV blocks, state slots and
// checkpoints are kept as ranks keep them, so a plan that mixes sequences up gives other tokens,
// or is caught where the blocks and the state disagree.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/plan/step_plan.h"
#include "sharding/shard_plan.h"

namespace shoal::coordinator::simulation {

// The token after `text`, for a sequence that draws with `seed`: the golden text comes from this.
int32_t token_after(std::span<const int32_t> text, uint64_t seed);

class FakeEngine {
 public:
  explicit FakeEngine(const sharding::ShardPlan& plan) : plan_(plan) {}

  struct Score {
    int home = 0;
    plan::TokenScore score;
  };
  // What the owners report of the step.
  std::vector<Score> run(const plan::StepPlan& plan);
  // Where a plan broke the rules; empty while none did.
  const std::string& complaint() const { return complaint_; }

 private:
  struct State {
    uint64_t hash = 0;
    int64_t length = 0;
  };
  struct Sequence {
    plan::Admission admission;
    std::vector<plan::BlockId> blocks;
    int32_t last_sample = plan::kPreviousSample;
  };
  using Place = std::pair<int, int>;  // home group, and the id in its pool

  void admit(const plan::Admission& admission);
  void feed(Sequence& sequence, int64_t position, int32_t token);
  void check_blocks(const Sequence& sequence, const State& state);
  int group(const Sequence& sequence) const {
    return sequence.admission.home % plan_.grid.num_home_groups();
  }
  void complain(const std::string& what);

  const sharding::ShardPlan& plan_;
  std::map<plan::SequenceId, Sequence> sequences_;
  std::map<Place, State> slots_, checkpoints_;
  std::map<Place, std::vector<int32_t>> blocks_;
  std::string complaint_;
};

}  // namespace shoal::coordinator::simulation
