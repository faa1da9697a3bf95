#include "runtime/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace shoal {
namespace {

// Plain memory on purpose: what the pieces write must be seen by the caller afterwards, and under
// ThreadSanitizer a piece that two threads get shows as a race.
TEST(ThreadPool, GivesEachIndexToOneThreadAndShowsItsWork) {
  for (const int num_threads : {1, 2, 3, 8}) {
    ThreadPool pool(num_threads);
    EXPECT_EQ(pool.size(), num_threads);
    std::vector<int64_t> done(1000);
    for (int round = 0; round < 50; ++round)
      for (const int64_t count : {0, 1, 7, 1000})
        pool.parallel_for(count, 1 + round % 9, [&](int64_t begin, int64_t end) {
          ASSERT_LE(begin, end);
          for (int64_t i = begin; i < end; ++i) done[static_cast<size_t>(i)] += i + 1;
        });
    // 50 rounds of 1000, of which the first indices were in shorter ones as well.
    for (int64_t i = 0; i < 1000; ++i) {
      const int64_t times = 50 * ((i < 1) + (i < 7) + 1);
      ASSERT_EQ(done[static_cast<size_t>(i)], times * (i + 1)) << num_threads << " threads";
    }
  }
}

TEST(ThreadPool, CoversRangesThatAreNoMultipleOfTheGrain) {
  ThreadPool pool(3);
  for (const int64_t grain : {1, 16, 100, 5000}) {
    std::atomic<int64_t> sum = 0;
    pool.parallel_for(1234, grain, [&](int64_t begin, int64_t end) {
      ASSERT_LE(end - begin, grain);
      for (int64_t i = begin; i < end; ++i) sum += i;
    });
    EXPECT_EQ(sum, 1234 * 1233 / 2) << grain;
  }
}

TEST(ThreadPool, StartsAndStopsWithoutWork) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(1 + i % 5);
}

}  // namespace
}  // namespace shoal
