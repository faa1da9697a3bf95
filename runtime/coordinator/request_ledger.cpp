#include "runtime/coordinator/request_ledger.h"

#include <algorithm>

namespace shoal::coordinator {

int64_t RequestLedger::now_second() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void RequestLedger::open(const LiveRequest& request) {
  const std::lock_guard lock(mutex_);
  live_[request.id] = request;
}

void RequestLedger::generated(const std::string& id, int64_t tokens) {
  const int64_t second = now_second();
  const std::lock_guard lock(mutex_);
  if (const auto found = live_.find(id); found != live_.end())
    found->second.generated_tokens += tokens;
  Slot& slot = slots_[second % kSlots];
  if (slot.second != second) slot = {second, 0};
  slot.tokens += tokens;
}

void RequestLedger::close(const std::string& id) {
  const std::lock_guard lock(mutex_);
  live_.erase(id);
}

std::optional<std::string> RequestLedger::owner(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(id);
  return found == live_.end() ? std::nullopt : std::optional(found->second.owner);
}

std::vector<LiveRequest> RequestLedger::list() const {
  std::vector<LiveRequest> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, request] : live_) all.push_back(request);
  }
  std::sort(all.begin(), all.end(), [](const LiveRequest& a, const LiveRequest& b) {
    return a.since < b.since;
  });
  return all;
}

double RequestLedger::tokens_per_second(int seconds) const {
  seconds = std::clamp(seconds, 1, 60);
  const int64_t now = now_second();
  int64_t tokens = 0;
  const std::lock_guard lock(mutex_);
  // The second that runs is not whole yet.
  for (const Slot& slot : slots_)
    if (slot.second >= now - seconds && slot.second < now) tokens += slot.tokens;
  return static_cast<double>(tokens) / seconds;
}

}  // namespace shoal::coordinator
