#include "runtime/coordinator/request_metrics.h"

#include <algorithm>
#include <array>

namespace shoal::coordinator {
namespace {

constexpr std::array kSeconds = {0.001,
                                 0.0025,
                                 0.005,
                                 0.01,
                                 0.025,
                                 0.05,
                                 0.1,
                                 0.25,
                                 0.5,
                                 1.0,
                                 2.5,
                                 5.0,
                                 10.0,
                                 20.0,
                                 40.0,
                                 80.0,
                                 160.0,
                                 640.0,
                                 2560.0};
constexpr std::array kTokens = {
    1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0};

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

void Histogram::add(double value, uint64_t times) {
  for (size_t i = 0; i < counts_.size(); ++i)
    if (value <= bounds_[i]) counts_[i] += times;
  sum_ += value * static_cast<double>(times);
  count_ += times;
}

RequestTotals::RequestTotals()
    : queue_seconds(kSeconds),
      prefill_seconds(kSeconds),
      first_token_seconds(kSeconds),
      token_seconds(kSeconds),
      decode_seconds(kSeconds),
      total_seconds(kSeconds),
      prompt_tokens(kTokens),
      generated_tokens(kTokens) {}

const char* failure_code_name(FailureCode code) {
  static constexpr const char* kNames[] = {"invalid_argument",
                                           "not_found",
                                           "already_exists",
                                           "resource_exhausted",
                                           "unavailable",
                                           "unimplemented",
                                           "deadline_exceeded",
                                           "cancelled",
                                           "internal",
                                           "data_loss"};
  return kNames[static_cast<size_t>(code)];
}

RequestTotals RequestMetrics::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

void RequestMetrics::finished(const Finished& finished) {
  const std::lock_guard lock(mutex_);
  ++totals_.finished[finish_reason_name(finished.reason)];
  // A gap without work says nothing of the pace: no request takes longer than its own time.
  const auto now = std::chrono::steady_clock::now();
  const double gap = std::min(seconds(now - last_end_), seconds(finished.timings.total));
  if (last_end_ != std::chrono::steady_clock::time_point{})
    seconds_between_ends_ =
        seconds_between_ends_ == 0 ? gap : 0.9 * seconds_between_ends_ + 0.1 * gap;
  last_end_ = now;
  const Timings& timings = finished.timings;
  totals_.queue_seconds.add(seconds(timings.queue));
  totals_.total_seconds.add(seconds(timings.total));
  totals_.prompt_tokens.add(static_cast<double>(finished.usage.prompt_tokens));
  totals_.generated_tokens.add(static_cast<double>(finished.usage.completion_tokens));
  if (finished.usage.completion_tokens == 0) return;
  totals_.prefill_seconds.add(seconds(timings.prefill));
  totals_.first_token_seconds.add(seconds(timings.first_token));
  totals_.decode_seconds.add(seconds(timings.decode));
}

std::chrono::nanoseconds RequestMetrics::expected_queue_time(int waiting) const {
  const std::lock_guard lock(mutex_);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(seconds_between_ends_ * waiting));
}

void RequestMetrics::failed(const Failure& failure) {
  const std::lock_guard lock(mutex_);
  ++totals_.failed[failure_code_name(failure.code)];
}

void RequestMetrics::between_tokens(double seconds) {
  const std::lock_guard lock(mutex_);
  totals_.token_seconds.add(seconds);
}

}  // namespace shoal::coordinator
