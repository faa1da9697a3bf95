#include "launch/pull_progress.h"

#include <gtest/gtest.h>

namespace shoal::launch {
namespace {

TEST(ProgressText, SaysShareSpeedAndWhatIsLeft) {
  EXPECT_EQ(progress_text("m", 500'000'000, 2'000'000'000, 50'000'000),
            "m  25% [######..................] 500.0 MB of 2.0 GB, 50.0 MB/s, 0:30 left");
  EXPECT_EQ(progress_text("m", 2'000, 2'000, 0),
            "m 100% [########################] 2.0 kB of 2.0 kB");
  // 100 GB less 1 GB at 10 MB/s is 9,900 s.
  EXPECT_EQ(progress_text("m", 1'000'000'000, 100'000'000'000, 10'000'000),
            "m   1% [........................] 1.0 GB of 100.0 GB, 10.0 MB/s, 2:45:00 left");
  EXPECT_EQ(progress_text("m", 0, 0, 0), "m 100% [########################] 0 B of 0 B");
}

}  // namespace
}  // namespace shoal::launch
