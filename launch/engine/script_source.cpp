#include "launch/engine/script_source.h"

#include <utility>

namespace shoal::launch {

ScriptSource::ScriptSource(control::Welcome welcome,
                           std::vector<plan::StepPlan> script,
                           std::function<void(const plan::StepResult&)> take)
    : welcome_(std::move(welcome)), script_(std::move(script)), take_(std::move(take)) {}

std::optional<control::ToWorker> ScriptSource::next(Deadline) {
  if (!std::exchange(welcomed_, true)) return welcome_;
  taken_at_.push_back(Clock::now());
  const size_t next = taken_at_.size() - 1;
  if (next < script_.size()) return script_[next];
  return control::Leave{"the script is done"};
}

void ScriptSource::report(control::ToCoordinator message) {
  if (const auto* result = std::get_if<plan::StepResult>(&message)) take_(*result);
}

}  // namespace shoal::launch
