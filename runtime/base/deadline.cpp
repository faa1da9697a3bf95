#include "runtime/base/deadline.h"

#include <algorithm>

namespace shoal {

Deadline Deadline::after(std::chrono::nanoseconds timeout) {
  return Deadline(Clock::now() + timeout);
}

Deadline Deadline::never() { return Deadline(Clock::time_point::max()); }

std::chrono::nanoseconds Deadline::remaining() const {
  const auto now = Clock::now();
  return now >= at_ ? std::chrono::nanoseconds(0) : std::chrono::nanoseconds(at_ - now);
}

}  // namespace shoal
