// Promise: KV and DeltaNet state bits are the same however the prompt was cut, for any threads.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/engine/loopback_cluster.h"

namespace shoal::engine {
namespace {

const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";

std::vector<int32_t> some_prompt(int64_t length) {
  std::vector<int32_t> prompt;
  for (int64_t i = 0; i < length; ++i) prompt.push_back(static_cast<int32_t>((i * 7919) % 8192));
  return prompt;
}

TEST(StatePromise, BitsDoNotDependOnChunksOrThreads) {
  constexpr int64_t kLength = 333;  // crosses a 256-position split, fills no block evenly
  const std::vector<int32_t> prompt = some_prompt(kLength);
  LoopbackCluster one(kModel, {.num_threads = 1});
  LoopbackCluster two(kModel, {.num_threads = 2});
  const std::vector<uint64_t> whole = one.state_after_chunks(prompt, {kLength});
  EXPECT_EQ(two.state_after_chunks(prompt, {kLength}), whole);

  std::mt19937 random(20260101);
  for (int round = 0; round < 4; ++round) {
    // A chunk of k, then the rest token by token as decode does; and k, then random pieces.
    const auto k = static_cast<int64_t>(random() % (kLength - 1)) + 1;
    std::vector<int64_t> decode = {k};
    decode.insert(decode.end(), static_cast<size_t>(kLength - k), 1);
    EXPECT_EQ(one.state_after_chunks(prompt, decode), whole) << "prefill of " << k;

    std::vector<int64_t> pieces = {k};
    for (int64_t left = kLength - k; left > 0;) {
      pieces.push_back(std::min<int64_t>(left, static_cast<int64_t>(random() % 70) + 1));
      left -= pieces.back();
    }
    EXPECT_EQ(two.state_after_chunks(prompt, pieces), whole) << "prefill of " << k;
  }
}

TEST(StatePromise, OtherTokensGiveOtherBits) {
  std::vector<int32_t> prompt = some_prompt(40);
  LoopbackCluster cluster(kModel, {});
  const std::vector<uint64_t> hash = cluster.state_after_chunks(prompt, {40});
  prompt[0] ^= 1;
  EXPECT_NE(cluster.state_after_chunks(prompt, {40}), hash);
}

}  // namespace
}  // namespace shoal::engine
