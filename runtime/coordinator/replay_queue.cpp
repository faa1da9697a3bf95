#include "runtime/coordinator/replay_queue.h"

#include <algorithm>

namespace shoal::coordinator {
namespace {

constexpr int kLossesToConvict = 2;

}  // namespace

std::optional<plan::SequenceId> ReplayQueue::ranks_lost(std::span<const plan::SequenceId> running,
                                                        bool served) {
  std::optional<plan::SequenceId> convicted;
  for (const plan::SequenceId id : running) {
    Record& record = records_[id];
    if (served && record.entered && !record.brought) {
      record.suspected = true;
      if (on_trial_ == id && ++record.losses_alone >= kLossesToConvict) convicted = id;
    }
    record.entered = record.brought = false;
    waiting_[id] = record.suspected;
  }
  on_trial_.reset();
  if (convicted) forget(*convicted);
  return convicted;
}

std::optional<plan::SequenceId> ReplayQueue::next() const {
  if (waiting_.empty() || on_trial_) return std::nullopt;
  const auto suspect =
      std::ranges::find_if(waiting_, [](const auto& entry) { return entry.second; });
  return suspect != waiting_.end() ? suspect->first : waiting_.begin()->first;
}

void ReplayQueue::entered(plan::SequenceId id) {
  waiting_.erase(id);
  Record& record = records_[id];
  record.entered = true;
  if (record.suspected) on_trial_ = id;
}

void ReplayQueue::brought(plan::SequenceId id) {
  Record& record = records_[id];
  record.brought = true;
  record.suspected = false;
  record.losses_alone = 0;
  if (on_trial_ == id) on_trial_.reset();
}

void ReplayQueue::forget(plan::SequenceId id) {
  records_.erase(id);
  waiting_.erase(id);
  if (on_trial_ == id) on_trial_.reset();
}

void PoisonList::add(std::span<const int32_t> prompt, TimePoint now) {
  entries_.push_back({{prompt.begin(), prompt.end()}, now});
  if (entries_.size() > kMost) entries_.pop_front();
}

bool PoisonList::holds(std::span<const int32_t> prompt, TimePoint now) const {
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    return now - entry.since < kKept && std::ranges::equal(entry.prompt, prompt);
  });
}

}  // namespace shoal::coordinator
