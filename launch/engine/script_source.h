// Orders from a list: a Welcome, the plans, a Leave. Reports are handed to a callback or dropped.
#pragma once
#include <chrono>
#include <functional>
#include <vector>

#include "runtime/control/plan_source.h"

namespace shoal::launch {

class ScriptSource final : public control::PlanSource {
 public:
  using Clock = std::chrono::steady_clock;

  // take: called for each StepResult of this rank, on its step loop's thread.
  ScriptSource(control::Welcome welcome,
               std::vector<plan::StepPlan> script,
               std::function<void(const plan::StepResult&)> take);

  std::optional<control::ToWorker> next(Deadline deadline) override;
  void report(control::ToCoordinator message) override;

  // When plan i was handed out; i == number of plans: when the last one was done.
  Clock::time_point taken_at(size_t i) const { return taken_at_.at(i); }

 private:
  control::Welcome welcome_;
  std::vector<plan::StepPlan> script_;
  std::function<void(const plan::StepResult&)> take_;
  bool welcomed_ = false;
  std::vector<Clock::time_point> taken_at_;
};

}  // namespace shoal::launch
