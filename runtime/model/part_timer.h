// Time from its construction to its end, added to one figure. Only where the backend computes
// during its calls: a device's calls return before the work is done.
#pragma once
#include <chrono>

namespace shoal::model {

class PartTimer {
 public:
  PartTimer(double& seconds, bool computes_here) : seconds_(computes_here ? &seconds : nullptr) {
    if (seconds_ != nullptr) begin_ = std::chrono::steady_clock::now();
  }
  ~PartTimer() {
    if (seconds_ != nullptr)
      *seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  PartTimer(const PartTimer&) = delete;
  PartTimer& operator=(const PartTimer&) = delete;

 private:
  double* seconds_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace shoal::model
