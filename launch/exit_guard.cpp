#include "launch/exit_guard.h"

#include <unistd.h>

#include <thread>
#include <utility>

namespace shoal::launch {

void leave_within(std::chrono::milliseconds time, int code, std::function<void()> last_words) {
  std::thread([time, code, last_words = std::move(last_words)] {
    std::this_thread::sleep_for(time);
    last_words();
    _exit(code);
  }).detach();
}

}  // namespace shoal::launch
