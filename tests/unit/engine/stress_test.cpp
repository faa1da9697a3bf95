// A thousand requests of mixed length, 32 in flight, in a cache too small for them and with the
// prefix cache on: every text is the text of its request alone, and memory stays where it was after
// the first of them.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "tests/unit/engine/loopback_cluster.h"

namespace shoal::engine {
namespace {

const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";
constexpr int64_t kLongest = 96;  // tokens of the longest text

// Prompts of 1 to 16 tokens, every eighth of 60 to 75; every third text greedy.
std::vector<TestRequest> distinct_requests(int count) {
  std::mt19937 random(20261124);
  std::vector<TestRequest> out;
  for (int i = 0; i < count; ++i) {
    TestRequest request{.prompt = {}, .max_tokens = kLongest};
    for (unsigned left = (i % 8 == 0 ? 60 : 1) + random() % 16; left > 0; --left)
      request.prompt.push_back(static_cast<int32_t>(random() % 8192));
    if (i % 3 != 0) request.sampling = {.temperature = 1.0f, .top_p = 0.95f, .seed = random()};
    out.push_back(std::move(request));
  }
  return out;
}

// Resident memory of this process, in MiB.
double resident_mib() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * 4096 / (1 << 20);
}

TEST(Stress, AThousandMixedRequestsAreTheirGoldensInFlatMemory) {
  const std::vector<TestRequest> distinct = distinct_requests(24);
  std::vector<std::vector<int32_t>> goldens;
  {
    LoopbackCluster one(kModel, {});
    for (const TestRequest& request : distinct) goldens.push_back(one.run({request})[0].tokens);
  }
  // A text's first n tokens do not depend on where it is cut, so one golden serves all lengths.
  std::mt19937 random(7);
  std::vector<TestRequest> requests;
  std::vector<size_t> golden_of;
  for (int i = 0; i < 1000; ++i) {
    golden_of.push_back(random() % distinct.size());
    requests.push_back(distinct[golden_of.back()]);
    requests.back().max_tokens =
        random() % 8 == 0 ? kLongest : 1 + static_cast<int64_t>(random() % 8);
  }
  // Sequences of 1 to 6 blocks each.
  LoopbackCluster cluster(kModel,
                          {.max_sequences = 32, .cache_memory = std::nullopt, .num_blocks = 40});
  std::vector<TestOutput> outputs = cluster.run({requests.begin(), requests.begin() + 300});
  const double before = resident_mib();
  for (TestOutput& output : cluster.run({requests.begin() + 300, requests.end()}))
    outputs.push_back(std::move(output));
  const double after = resident_mib();

  for (size_t i = 0; i < requests.size(); ++i) {
    std::vector<int32_t> want = goldens[golden_of[i]];
    want.resize(static_cast<size_t>(requests[i].max_tokens));
    ASSERT_EQ(outputs[i].tokens, want) << "request " << i;
  }
  EXPECT_GT(cluster.scheduler().num_pauses(), 0u);
  EXPECT_GT(cluster.scheduler().cache_counters().hits, 0u);
  EXPECT_GT(cluster.scheduler().prefix_cache().num_evictions(), 0u);
  EXPECT_EQ(cluster.scheduler().num_free_blocks(), cluster.scheduler().num_total_blocks());
  // The test itself keeps plans and outputs of under 4 MiB. One KV block of the demo model that is
  // lost with each request would be over 100.
  EXPECT_LT(after - before, 16.0);
}

}  // namespace
}  // namespace shoal::engine
