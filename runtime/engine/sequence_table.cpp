#include "runtime/engine/sequence_table.h"

#include "runtime/base/check.h"

namespace shoal::engine {

void RankSequence::remember(const plan::ScheduledSequence& scheduled,
                            OutputConstraints& constraints) {
  if (!admission.sampling.looks_back()) return;
  if (follower == nullptr && !admission.sampling.constraint.gbnf.empty())
    follower = constraints.follow(admission.sampling.constraint);
  const auto add = [this](int32_t token) {
    const bool generated = history.length() >= admission.prompt_len;
    history.add(token, generated);
    if (generated && follower != nullptr) follower->take(token);
  };
  if (history.length() == 0)
    for (const int32_t token : admission.history) add(token);
  for (size_t i = 0; i < scheduled.tokens.size(); ++i) {
    const int64_t position = scheduled.start + static_cast<int64_t>(i);
    if (position < history.length()) continue;
    SHOAL_ASSERT(position == history.length() && scheduled.tokens[i] >= 0,
                 "sequence {}: token {} at {}, after {} that are known",
                 scheduled.id,
                 scheduled.tokens[i],
                 position,
                 history.length());
    add(scheduled.tokens[i]);
  }
}

void RankSequence::took(int32_t token) {
  last_sample = token;
  if (admission.sampling.looks_back()) history.add(token, true);
  if (follower != nullptr) follower->take(token);
}

void SequenceTable::apply(const plan::StepPlan& plan) {
  for (const plan::SequenceId id : plan.released) sequences_.erase(id);
  for (const plan::Admission& admission : plan.admitted) {
    RankSequence& sequence = sequences_[admission.id];
    sequence.admission = admission;
    sequence.blocks = admission.shared_blocks;
  }
  for (const plan::ScheduledSequence& scheduled : plan.sequences) {
    std::vector<plan::BlockId>& blocks = at(scheduled.id).blocks;
    blocks.insert(blocks.end(), scheduled.new_blocks.begin(), scheduled.new_blocks.end());
  }
}

RankSequence& SequenceTable::at(plan::SequenceId id) {
  RankSequence* found = find(id);
  SHOAL_ASSERT(found != nullptr, "sequence {} was never admitted", id);
  return *found;
}

RankSequence* SequenceTable::find(plan::SequenceId id) {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? nullptr : &found->second;
}

}  // namespace shoal::engine
