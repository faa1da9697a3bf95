#include "runtime/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/base/check.h"

namespace shoal {
namespace {

// A kernel launch is tens of microseconds, a futex wake about as long: a waiting thread polls for
// this many rounds (a few hundred microseconds, yielding in between) before it sleeps.
constexpr int kPollRounds = 20'000;
constexpr int kPollsPerYield = 64;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

struct ThreadPool::Shared {
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation{0};
  std::atomic<bool> stop{false};
  std::atomic<int> sleeping{0};
  std::atomic<int> running{0};  // workers that have not finished the current generation
  std::atomic<int64_t> next{0};
  int64_t count = 0;
  int64_t grain = 1;
  const std::function<void(int64_t, int64_t)>* body = nullptr;

  void take_pieces() {
    for (;;) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      (*body)(begin, std::min(begin + grain, count));
    }
  }

  void wait_for_next(uint64_t seen) {
    for (int round = 0; round < kPollRounds; ++round) {
      if (generation.load(std::memory_order_acquire) != seen || stop.load()) return;
      relax();
      if (round % kPollsPerYield == kPollsPerYield - 1) std::this_thread::yield();
    }
    std::unique_lock lock(mutex);
    sleeping.fetch_add(1);
    wake.wait(lock, [&] { return generation.load() != seen || stop.load(); });
    sleeping.fetch_sub(1);
  }

  void work() {
    uint64_t seen = 0;
    for (;;) {
      wait_for_next(seen);
      if (stop.load()) return;
      seen = generation.load(std::memory_order_acquire);
      take_pieces();
      running.fetch_sub(1, std::memory_order_release);
    }
  }
};

ThreadPool::ThreadPool(int num_threads)
    : num_threads_(num_threads), shared_(std::make_unique<Shared>()) {
  SHOAL_ASSERT(num_threads >= 1, "{} threads", num_threads);
  for (int i = 1; i < num_threads; ++i)
    shared_->threads.emplace_back([shared = shared_.get()] { shared->work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stop.store(true);
  }
  shared_->wake.notify_all();
  for (std::thread& thread : shared_->threads) thread.join();
}

void ThreadPool::parallel_for(int64_t count,
                              int64_t grain,
                              const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  if (num_threads_ == 1 || count <= grain) {
    body(0, count);
    return;
  }
  Shared& shared = *shared_;
  shared.count = count;
  shared.grain = std::max<int64_t>(grain, 1);
  shared.body = &body;
  shared.next.store(0);
  shared.running.store(num_threads_ - 1);
  {
    // The lock orders this store with a worker that is about to sleep on the old generation.
    const std::lock_guard lock(shared.mutex);
    shared.generation.fetch_add(1, std::memory_order_release);
  }
  if (shared.sleeping.load() > 0) shared.wake.notify_all();
  shared.take_pieces();
  for (int round = 0; shared.running.load(std::memory_order_acquire) > 0; ++round) {
    relax();
    if (round % kPollsPerYield == kPollsPerYield - 1) std::this_thread::yield();
  }
}

}  // namespace shoal
