// An absolute point on the monotonic clock. Every wait in shoal takes one.
#pragma once
#include <chrono>

namespace shoal {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  static Deadline after(std::chrono::nanoseconds timeout);
  static Deadline never();

  bool passed() const { return Clock::now() >= at_; }
  std::chrono::nanoseconds remaining() const;  // zero when passed
  Clock::time_point at() const { return at_; }
  bool operator<(const Deadline& other) const { return at_ < other.at_; }

 private:
  explicit Deadline(Clock::time_point at) : at_(at) {}
  Clock::time_point at_;
};

}  // namespace shoal
