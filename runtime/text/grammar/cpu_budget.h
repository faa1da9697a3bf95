// Time on the processor that a piece of work may take on this thread. Not the clock's: a busy
// machine must not refuse what an idle one takes.
#pragma once
#include <chrono>
#include <ctime>

namespace shoal::grammar {

class CpuBudget {
 public:
  // From now on, on the calling thread.
  static CpuBudget of(std::chrono::nanoseconds time) { return CpuBudget(used() + time); }
  static CpuBudget unlimited() { return CpuBudget(std::chrono::nanoseconds::max()); }

  bool spent() const { return used() >= end_; }

 private:
  explicit CpuBudget(std::chrono::nanoseconds end) : end_(end) {}
  static std::chrono::nanoseconds used() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

  std::chrono::nanoseconds end_;
};

}  // namespace shoal::grammar
