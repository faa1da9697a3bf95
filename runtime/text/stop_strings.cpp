#include "runtime/text/stop_strings.h"

#include <utility>

namespace shoal::text {

StopMatcher::StopMatcher(const std::vector<std::string>& stops) : automaton_(stops) {
  for (const std::string& stop : stops) stop_bytes_.push_back(stop.size());
}

std::string StopMatcher::push(std::string_view delta) {
  if (matched_) return {};
  for (const char byte : delta) {
    held_.push_back(byte);
    state_ = automaton_.step(state_, byte);
    matched_ = automaton_.longest_match(state_);
    if (!matched_) continue;
    held_.resize(held_.size() - stop_bytes_[*matched_]);
    return std::exchange(held_, {});
  }
  const size_t num_safe = held_.size() - automaton_.partial_bytes(state_);
  std::string safe = held_.substr(0, num_safe);
  held_.erase(0, num_safe);
  return safe;
}

std::string StopMatcher::flush() { return std::exchange(held_, {}); }

}  // namespace shoal::text
