#include "runtime/engine/sequence_table.h"

#include "runtime/base/check.h"

namespace shoal::engine {

std::vector<int> SequenceTable::apply(const plan::StepPlan& plan) {
  for (const plan::SequenceId id : plan.released) sequences_.erase(id);
  std::vector<int> fresh_slots;
  for (const plan::Admission& admission : plan.admitted) {
    sequences_[admission.id].admission = admission;
    fresh_slots.push_back(admission.state_slot);
  }
  for (const plan::ScheduledSequence& scheduled : plan.sequences) {
    std::vector<plan::BlockId>& blocks = at(scheduled.id).blocks;
    blocks.insert(blocks.end(), scheduled.new_blocks.begin(), scheduled.new_blocks.end());
  }
  return fresh_slots;
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
