#include "transport/host_comm.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "runtime/base/error.h"

namespace shoal::transport {
namespace {

// A peer that is computing answers within milliseconds: yielding that long keeps the answer's
// latency at a context switch. After that the core is worth more than the microseconds.
constexpr int kYieldRounds = 4096;
constexpr std::chrono::microseconds kShortestSleep{1}, kLongestSleep{50};

class Backoff {
 public:
  void pause() {
    if (round_ < kYieldRounds) {
      ++round_;
      sched_yield();
      return;
    }
    std::this_thread::sleep_for(sleep_);
    sleep_ = std::min(sleep_ * 2, kLongestSleep);
  }

 private:
  int round_ = 0;
  std::chrono::microseconds sleep_ = kShortestSleep;
};

}  // namespace

void wait_all(std::span<Request> requests, Deadline deadline) {
  const auto start = Deadline::Clock::now();
  Backoff backoff;
  for (;;) {
    // All of them each round: a send to one peer may need progress while another is awaited.
    const Request* silent = nullptr;
    for (Request& request : requests)
      if (!request.test() && silent == nullptr) silent = &request;
    if (silent == nullptr) return;
    if (deadline.passed()) {
      const auto waited =
          std::chrono::duration_cast<std::chrono::milliseconds>(Deadline::Clock::now() - start);
      throw PeerLost(
          silent->peer(),
          fmt::format("rank {} did not answer: waited {} ms", silent->peer(), waited.count()));
    }
    backoff.pause();
  }
}

}  // namespace shoal::transport
