// Which of the running streams wait to enter a new epoch, and in which order: the oldest first, but
// before them, one by one, those under suspicion.
//
// A request that kills its rank would kill the next one too. A stream that brought nothing new (no
// token, no score) in an epoch whose ranks were lost is a suspect. Suspects go first and alone:
// nobody else runs until the suspect brought something, which clears it, or another rank is lost,
// which is then its doing. Two losses alone convict it. Whoever asks for a convicted prompt within
// the hour is refused. One thread; refuses() too.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/plan/step_plan.h"

namespace shoal::coordinator {

class ReplayQueue {
 public:
  // The ranks are gone; everything running goes back. `served`: they had been ready. Gives the one
  // that is convicted, which the caller ends.
  std::optional<plan::SequenceId> ranks_lost(std::span<const plan::SequenceId> running,
                                             bool served);

  // Who enters next; empty: nobody waits, or a suspect runs alone.
  std::optional<plan::SequenceId> next() const;
  // Others may enter: nobody waits here and no suspect runs alone.
  bool lets_others_in() const { return waiting_.empty() && !on_trial_; }
  bool has_suspect() const { return on_trial_.has_value(); }

  void entered(plan::SequenceId id);  // the scheduler took it, from here or for the first time
  void brought(plan::SequenceId id);  // a token or a score came
  void forget(plan::SequenceId id);   // it ended
  int num_waiting() const { return static_cast<int>(waiting_.size()); }

 private:
  struct Record {
    bool entered = false, brought = false;  // in this epoch
    int losses_alone = 0;
    bool suspected = false;
  };
  std::map<plan::SequenceId, Record> records_;  // of running streams
  std::map<plan::SequenceId, bool> waiting_;    // whether it is a suspect
  std::optional<plan::SequenceId> on_trial_;
};

// Prompts that are not taken for an hour.
class PoisonList {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  void add(std::span<const int32_t> prompt, TimePoint now);
  bool holds(std::span<const int32_t> prompt, TimePoint now) const;

 private:
  static constexpr std::chrono::hours kKept{1};
  static constexpr size_t kMost = 256;  // the oldest are forgiven
  struct Entry {
    std::vector<int32_t> prompt;
    TimePoint since;
  };
  std::deque<Entry> entries_;
};

}  // namespace shoal::coordinator
