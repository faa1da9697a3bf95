// An upper bound on how long a program may take to leave, whatever hangs.
#pragma once
#include <chrono>
#include <functional>

namespace shoal::launch {

// After `time` runs `last_words` and leaves with `code`, unless the process is gone by then.
void leave_within(std::chrono::milliseconds time, int code, std::function<void()> last_words);

}  // namespace shoal::launch
