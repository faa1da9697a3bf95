// Counts and times of requests, whichever protocol brought them, for /metrics. Any thread.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "runtime/coordinator/generation_request.h"

namespace shoal::coordinator {

// Cumulative, as Prometheus has them: counts[i] observations were at most bounds[i].
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size()) {}
  void add(double value, uint64_t times = 1);
  std::span<const double> bounds() const { return bounds_; }
  const std::vector<uint64_t>& counts() const { return counts_; }
  double sum() const { return sum_; }
  uint64_t count() const { return count_; }

 private:
  std::span<const double> bounds_;
  std::vector<uint64_t> counts_;
  double sum_ = 0;
  uint64_t count_ = 0;
};

struct RequestTotals {
  Histogram queue_seconds, prefill_seconds, first_token_seconds, token_seconds, decode_seconds,
      total_seconds, prompt_tokens, generated_tokens;
  std::map<std::string, uint64_t> finished;  // by reason: "stop", "length", ...
  std::map<std::string, uint64_t> failed;    // by code: "resource_exhausted", ...

  RequestTotals();
};

const char* failure_code_name(FailureCode code);  // "invalid_argument"

class RequestMetrics {
 public:
  RequestTotals totals() const;
  void finished(const Finished& finished);
  void failed(const Failure& failure);
  void between_tokens(double seconds);
  // How long a request would wait behind `waiting` others, going by how fast requests ended of
  // late; zero before any ended.
  std::chrono::nanoseconds expected_queue_time(int waiting) const;

 private:
  mutable std::mutex mutex_;
  std::chrono::steady_clock::time_point last_end_{};
  double seconds_between_ends_ = 0;  // moving average, of ends with a queue behind them
  RequestTotals totals_;
};

}  // namespace shoal::coordinator
