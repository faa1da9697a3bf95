#include "launch/worker_output.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

namespace shoal::launch {
namespace {

struct Result {
  std::string reason, shown;
};

Result collapse(const std::string& text, bool verbose = false) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe(pipe.data()), 0);
  testing::internal::CaptureStderr();
  WorkerOutput output(pipe[0], verbose);
  EXPECT_EQ(write(pipe[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(pipe[1]);
  Result result;
  result.reason = output.finish();
  result.shown = testing::internal::GetCapturedStderr();
  return result;
}

TEST(WorkerOutput, SixteenErrorsAreOneReasonAndNoLines) {
  std::string text = "-----------\nmpirun noticed something\n-----------\n";
  for (int rank = 0; rank < 16; ++rank) text += "error: shard 3 is cut short\n";
  const Result result = collapse(text);
  EXPECT_EQ(result.reason, "shard 3 is cut short");
  EXPECT_EQ(result.shown, "");
}

TEST(WorkerOutput, WithoutAnErrorTheFirstPlainLineIsTheReason) {
  EXPECT_EQ(collapse("----\n\n12:00:01.234 W rank 1: slow\nno such program\n").reason,
            "no such program");
  EXPECT_EQ(collapse("").reason, "");
}

TEST(WorkerOutput, AWarningIsPassedOnOnce) {
  const Result result =
      collapse("12:00:01.234 W disk is slow\n12:00:02.234 W disk is slow\n12:00:02.300 I loaded\n");
  EXPECT_EQ(result.shown, "12:00:01.234 W disk is slow\n");
}

TEST(WorkerOutput, VerbosePassesAllOnWithoutEscapes) {
  EXPECT_EQ(collapse("one\n\x1b[31mtwo\nthree", true).shown, "one\n\\x1b[31mtwo\nthree\n");
}

}  // namespace
}  // namespace shoal::launch
