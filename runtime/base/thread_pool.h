// A fixed set of threads for one rank's kernels. The caller is one of them, so a pool of 1 starts
// no thread. Results never depend on the thread count: kernels give every output element to
// exactly one thread and keep its arithmetic whole.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

namespace shoal {

class ThreadPool {
 public:
  // Threads of all ranks on this host together should not exceed its cores; if they do, waiting
  // threads yield, so the job slows down but never stalls.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return num_threads_; }

  // Calls body(begin, end) on disjoint ranges that cover [0, count), in pieces of `grain` taken
  // in turn by whichever thread is free. Returns when all are done. One caller at a time; body
  // must not throw and must not call parallel_for.
  void parallel_for(int64_t count,
                    int64_t grain,
                    const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct Shared;
  int num_threads_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace shoal
