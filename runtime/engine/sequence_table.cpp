#include "runtime/engine/sequence_table.h"

#include "runtime/base/check.h"

namespace shoal::engine {

void SequenceTable::apply(const plan::StepPlan& plan) {
  for (const plan::SequenceId id : plan.released) sequences_.erase(id);
  for (const plan::Admission& admission : plan.admitted)
    sequences_[admission.id].admission = admission;
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
