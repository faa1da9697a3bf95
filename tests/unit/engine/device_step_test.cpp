// Steps as a device runs them, followed on the host by the reference backend: the same tokens and
// scores, bit for bit, as the CPU backend's own steps, since all kernels share one row arithmetic.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/engine/loopback_cluster.h"

namespace shoal::engine {
namespace {

const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";

std::vector<int32_t> some_prompt(int64_t length, int32_t salt) {
  std::vector<int32_t> prompt;
  for (int64_t i = 0; i < length; ++i)
    prompt.push_back(static_cast<int32_t>((i * 7919 + salt * 131) % 8000));
  return prompt;
}

// Greedy streams of unlike lengths, one that draws, one that looks back and wants
// log-probabilities, one that is scored: pure decode steps, mixed steps and chunks.
std::vector<TestRequest> mixed_requests() {
  std::vector<TestRequest> requests;
  requests.push_back({.prompt = some_prompt(5, 1), .max_tokens = 6});
  requests.push_back({.prompt = some_prompt(19, 2), .max_tokens = 4});
  requests.push_back({.prompt = some_prompt(3, 3),
                      .max_tokens = 5,
                      .sampling = {.temperature = 0.8f, .top_k = 40, .seed = 5}});
  requests.push_back({.prompt = some_prompt(4, 4),
                      .max_tokens = 4,
                      .sampling = {.repetition_penalty = 1.3f, .logprobs = 2}});
  requests.push_back(
      {.prompt = some_prompt(24, 5), .score = plan::Score::kChunk, .score_start = 8});
  return requests;
}

void expect_equal(const std::vector<TestOutput>& got, const std::vector<TestOutput>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].tokens, want[i].tokens) << "request " << i;
    EXPECT_EQ(got[i].scores, want[i].scores) << "request " << i;
  }
}

TEST(DeviceStep, SameTokensAndScoresAsTheCpusSteps) {
  std::vector<TestOutput> want, got;
  const auto shape = [](Backend backend) {
    return ClusterShape{.context = 256, .max_batch_tokens = 16, .backend = backend};
  };
  want = LoopbackCluster(kModel, shape(Backend::kCpu)).run(mixed_requests());
  got = LoopbackCluster(kModel, shape(Backend::kReference)).run(mixed_requests());
  expect_equal(got, want);
}

// Alone in the machine: every decode step has the same shape, so all but the first are recorded.
TEST(DeviceStep, ARecordedStepGoesOnWhereTheLastEnded) {
  const std::vector<TestRequest> requests = {{.prompt = some_prompt(6, 9), .max_tokens = 12}};
  const auto want = LoopbackCluster(kModel, {.context = 256}).run(requests);
  const auto got =
      LoopbackCluster(kModel, {.context = 256, .backend = Backend::kReference}).run(requests);
  expect_equal(got, want);
}

// Several ranks: rows and routing go over the device's exchange, and stages hand rows on. Widths
// that divide the experts and that do not; ranks without a sequence take part.
TEST(DeviceStep, SameTokensAndScoresOnAnyGrid) {
  const auto want =
      LoopbackCluster(kModel, {.context = 256, .max_batch_tokens = 16}).run(mixed_requests());
  for (const std::vector<int>& grid :
       std::vector<std::vector<int>>{{2}, {3}, {4}, {1, 1}, {2, 1}}) {
    SCOPED_TRACE(testing::PrintToString(grid));
    const auto got = LoopbackCluster(kModel,
                                     {.ep_per_stage = grid,
                                      .context = 256,
                                      .max_batch_tokens = 16,
                                      .backend = Backend::kReference})
                         .run(mixed_requests());
    expect_equal(got, want);
  }
}

}  // namespace
}  // namespace shoal::engine
