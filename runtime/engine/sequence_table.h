// The sequences that one rank knows, built from the plans it saw: admission, block tables, the
// token sampled last. The same on every rank of a stage, but only the owner fills the tokens.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "runtime/engine/output_constraints.h"
#include "runtime/engine/token_history.h"
#include "runtime/plan/step_plan.h"

namespace shoal::engine {

struct RankSequence {
  plan::Admission admission;
  std::vector<plan::BlockId> blocks;
  TokenHistory history;  // last stage's owner; filled only for samplers that look back
  std::shared_ptr<ConstraintFollower> follower;  // last stage's owner; null: any text
  int32_t last_sample = plan::kPreviousSample;
  int samples_under_way = 0;  // sampled on the last stage, not yet here

  // The tokens that a step feeds, as far as `history` does not hold them.
  void remember(const plan::ScheduledSequence& scheduled, OutputConstraints& constraints);
  // A token sampled here.
  void took(int32_t token);
  // What the constraint lets come next: SamplerInput::allowed.
  std::span<const uint32_t> allowed() const {
    return follower == nullptr ? std::span<const uint32_t>() : follower->allowed();
  }
};

class SequenceTable {
 public:
  // Applies what a plan says before it runs: admitted, released, new blocks.
  void apply(const plan::StepPlan& plan);

  RankSequence& at(plan::SequenceId id);  // asserts that it is known
  RankSequence* find(plan::SequenceId id);

 private:
  std::map<plan::SequenceId, RankSequence> sequences_;
};

}  // namespace shoal::engine
