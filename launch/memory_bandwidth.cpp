#include "launch/memory_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace shoal::launch {
namespace {

constexpr size_t kWords = (size_t{256} << 20) / sizeof(uint64_t);
constexpr int kPasses = 4;

uint64_t sum(const uint64_t* begin, const uint64_t* end) {
  uint64_t total = 0;
  for (; begin != end; ++begin) total += *begin;
  return total;
}

}  // namespace

double measure_read_bandwidth(int num_threads) {
  const std::vector<uint64_t> buffer(kWords, 1);
  const size_t share = kWords / static_cast<size_t>(num_threads);
  std::atomic<uint64_t> total = 0;  // keeps the reads from being optimised away
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (int i = 0; i < num_threads; ++i)
      threads.emplace_back([&, first = buffer.data() + static_cast<size_t>(i) * share] {
        total += sum(first, first + share);
      });
    for (std::thread& thread : threads) thread.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    const double bytes =
        static_cast<double>(share * static_cast<size_t>(num_threads) * sizeof(uint64_t));
    best = std::max(best, bytes / took.count());
  }
  return total > 0 ? best : 0;
}

}  // namespace shoal::launch
