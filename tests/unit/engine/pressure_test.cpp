// Fewer cache blocks than the running sequences want: somebody is paused and runs again later, and
// nobody's text shows it.
#include <gtest/gtest.h>

#include "tests/unit/engine/loopback_cluster.h"

namespace shoal::engine {
namespace {

const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";

// Prompts of 9 to 44 tokens, half of the texts greedy and half sampled.
std::vector<TestRequest> mixed_requests(int count, int64_t max_tokens) {
  std::vector<TestRequest> out;
  for (int i = 0; i < count; ++i) {
    TestRequest request{.prompt = {}, .max_tokens = max_tokens};
    for (int t = 0; t < 9 + 7 * (i % 6); ++t) request.prompt.push_back((t * 31 + i * 977) % 8192);
    if (i % 2 == 1) request.sampling = {.temperature = 0.9f, .top_k = 50, .seed = 7u + i};
    out.push_back(std::move(request));
  }
  return out;
}

std::vector<std::vector<int32_t>> alone(const std::vector<TestRequest>& requests) {
  LoopbackCluster cluster(kModel, {});
  std::vector<std::vector<int32_t>> out;
  for (const TestRequest& request : requests) out.push_back(cluster.run({request})[0].tokens);
  return out;
}

TEST(Pressure, PausedTextsAreTheTextsOfSequencesAlone) {
  const std::vector<TestRequest> requests = mixed_requests(8, 100);
  const std::vector<std::vector<int32_t>> want = alone(requests);
  // 144 positions are 5 blocks; two home groups of {2} run four each, so they would like 20.
  const std::vector<ClusterShape> shapes = {{.ep_per_stage = {1}, .num_blocks = 14},
                                            {.ep_per_stage = {2}, .num_blocks = 9},
                                            {.ep_per_stage = {1, 1}, .num_blocks = 12},
                                            {.ep_per_stage = {2, 1}, .num_blocks = 12},
                                            {.ep_per_stage = {1, 1, 1}, .num_blocks = 5}};
  for (const ClusterShape& shape : shapes) {
    LoopbackCluster cluster(kModel, shape);
    const std::vector<TestOutput> outputs = cluster.run(requests);
    for (size_t i = 0; i < requests.size(); ++i)
      EXPECT_EQ(outputs[i].tokens, want[i]) << "request " << i << ", " << shape.num_blocks;
    if (shape.num_blocks > 5) {
      EXPECT_GT(cluster.scheduler().num_pauses(), 0u) << shape.num_blocks;
    }
    EXPECT_EQ(cluster.scheduler().num_free_blocks(), cluster.scheduler().num_total_blocks());
  }
}

TEST(Pressure, APausedScoreIsWholeAndSaysNothingTwice) {
  std::vector<TestRequest> requests = mixed_requests(3, 100);
  TestRequest scored{.prompt = {}, .score = plan::Score::kChunk};
  for (int t = 0; t < 90; ++t) scored.prompt.push_back((t * 131) % 8192);
  const std::vector<plan::TokenScore> want = LoopbackCluster(kModel, {}).run({scored})[0].scores;
  ASSERT_EQ(want.size(), 89u);
  requests.push_back(scored);
  for (const int num_blocks : {7, 8, 9}) {
    LoopbackCluster cluster(kModel, {.max_batch_tokens = 8, .num_blocks = num_blocks});
    const auto outputs = cluster.run(requests);
    ASSERT_EQ(outputs[3].scores.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(outputs[3].scores[i].position, want[i].position);
      EXPECT_EQ(outputs[3].scores[i].logprob, want[i].logprob);
    }
  }
}

}  // namespace
}  // namespace shoal::engine
