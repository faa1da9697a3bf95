// Which owner's sequences run, where there is not room for all: each owner may run as many as the
// others, by weight, and who runs fewer is let in at the cost of who runs most.
#include <algorithm>

#include "runtime/scheduler/scheduler.h"

namespace shoal::scheduler {

double Scheduler::share_run(const std::string& owner, int given) const {
  const auto run = std::count_if(sequences_.begin(), sequences_.end(), [&](const auto& entry) {
    return entry.second.owner == owner;
  });
  return static_cast<double>(run - given) / shares_->weight(owner);
}

bool Scheduler::runs_less(const std::string& poor, const std::string& rich, int given) const {
  return poor != rich && share_run(poor, -1) <= share_run(rich, given);
}

bool Scheduler::goes_before(const std::string& a, const std::string& b) const {
  return std::pair(share_run(a, 0), shares_->turn(a)) <
         std::pair(share_run(b, 0), shares_->turn(b));
}

bool Scheduler::waits_for_paused(const std::string& owner) const {
  return std::any_of(paused_.begin(), paused_.end(), [&](const auto& entry) {
    return !runs_less(owner, entry.second.owner, 0);
  });
}

std::vector<plan::SequenceId> Scheduler::who_yields(const Sequence& sequence) const {
  for (size_t group = 0; group < blocks_.size(); ++group) {
    auto yielding = who_yields(sequence, group);
    if (!yielding.empty()) return yielding;
  }
  return {};
}

std::vector<plan::SequenceId> Scheduler::who_yields(const Sequence& sequence, size_t group) const {
  const cache::BlockAllocator& pool = blocks_[group];
  const int prompt_blocks = pool.blocks_for(std::ssize(sequence.tokens));
  const int own_reserve = pool.blocks_for(sequence.max_len()) > prompt_blocks ? 1 : 0;
  int blocks = prompt_blocks + own_reserve + reserve(group);
  blocks -= pool.num_free() + pool.num_reclaimable();
  int slots = slots_[group].num_free() > 0 ? 0 : 1;
  int seats = has_seat() ? 0 : 1;

  std::vector<plan::SequenceId> yielding;
  std::map<std::string, int> given;  // by owner
  while (blocks > 0 || slots > 0 || seats > 0) {
    const Sequence* victim = nullptr;
    double most = 0;
    for (auto entry = sequences_.rbegin(); entry != sequences_.rend(); ++entry) {
      const Sequence& one = entry->second;
      const int gone = given[one.owner];
      if (group_of(one) != group && (blocks > 0 || slots > 0)) continue;
      if (std::find(yielding.begin(), yielding.end(), one.id) != yielding.end()) continue;
      if (!runs_less(sequence.owner, one.owner, gone + 1)) continue;
      if (victim != nullptr && share_run(one.owner, gone) <= most) continue;
      victim = &one;
      most = share_run(one.owner, gone);
    }
    if (victim == nullptr) return {};
    ++given[victim->owner];
    yielding.push_back(victim->id);
    --seats;
    if (group_of(*victim) != group) continue;
    --slots;
    blocks -= pool.count_single(victim->blocks) + (may_grow(*victim) ? 1 : 0);
  }
  return yielding;
}

plan::SequenceId Scheduler::who_pauses(size_t group) const {
  const Sequence* oldest = nullptr;
  const Sequence* victim = nullptr;
  double most = 0;
  for (const auto& [id, sequence] : sequences_) {
    if (group_of(sequence) != group) continue;
    if (oldest == nullptr) {
      oldest = &sequence;
      continue;
    }
    const double share = share_run(sequence.owner, 0);
    if (victim != nullptr && share < most) continue;
    victim = &sequence;
    most = share;
  }
  return victim != nullptr ? victim->id : oldest->id;
}

plan::SequenceId Scheduler::next_to_resume() const {
  const auto next =
      std::min_element(paused_.begin(), paused_.end(), [&](const auto& a, const auto& b) {
        return share_run(a.second.owner, 0) < share_run(b.second.owner, 0);
      });
  return next->first;
}

}  // namespace shoal::scheduler
