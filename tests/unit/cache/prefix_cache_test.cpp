#include "runtime/cache/prefix_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace shoal::cache {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kBlock = 4;

// `count` tokens that start at `first`.
std::vector<int32_t> tokens(int32_t first, int count) {
  std::vector<int32_t> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), first);
  return out;
}

std::vector<int32_t> joined(std::vector<int32_t> head, const std::vector<int32_t>& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

class PrefixCacheTest : public testing::Test {
 protected:
  // A sequence runs a text of whole blocks, leaves a checkpoint at its end, and goes.
  std::vector<int32_t> leave(const std::vector<int32_t>& text,
                             int home = 0,
                             std::string_view salt = "") {
    const auto match = find(text, home, salt);
    auto& pool = blocks_[static_cast<size_t>(home)];
    pool.share(match.blocks);
    std::vector<int32_t> blocks = match.blocks;
    while (blocks.size() * kBlock < text.size()) blocks.push_back(pool.allocate(1)->front());
    const auto checkpoint = cache_.take_checkpoint(home);
    EXPECT_TRUE(checkpoint);
    cache_.publish({.home = home, .salt = salt, .tokens = text, .prompt_len = prompt_len_},
                   blocks,
                   *checkpoint);
    pool.release(blocks);
    return blocks;
  }

  PrefixMatch find(const std::vector<int32_t>& text,
                   int home = 0,
                   std::string_view salt = "",
                   int64_t limit = 1000) const {
    return cache_.find({.home = home, .salt = salt, .tokens = text, .prompt_len = 0}, limit);
  }

  int64_t prompt_len_ = 1000;
  std::vector<BlockAllocator> blocks_{2, BlockAllocator(16, kBlock)};
  PrefixCache cache_{{.num_home_groups = 2,
                      .num_checkpoints = 3,
                      .block_bytes = 10,
                      .checkpoint_bytes = 100,
                      .max_bytes = 1000},
                     blocks_};
};

TEST_F(PrefixCacheTest, ATextIsFoundUpToItsLongestCheckpoint) {
  const auto blocks = leave(tokens(0, 8));
  const auto match = find(joined(tokens(0, 8), tokens(50, 5)));
  EXPECT_EQ(match.tokens, 8);
  EXPECT_EQ(match.blocks, blocks);
  EXPECT_EQ(match.end, PrefixEnd::kNewText);
  EXPECT_EQ(find(tokens(0, 8), 0, "", 7).tokens, 0) << "it would end beyond the limit";
  EXPECT_EQ(find(tokens(0, 7)).tokens, 0) << "the checkpoint is of 8 tokens";
  EXPECT_EQ(find(tokens(0, 3)).end, PrefixEnd::kTooShort);
}

TEST_F(PrefixCacheTest, OtherHomesAndOtherSaltsShareNothing) {
  leave(tokens(0, 8), 0, "mine");
  EXPECT_EQ(find(tokens(0, 9), 0, "mine").tokens, 8);
  EXPECT_EQ(find(tokens(0, 9), 1, "mine").end, PrefixEnd::kUnknown);
  EXPECT_EQ(find(tokens(0, 9), 0, "").end, PrefixEnd::kUnknown);
  EXPECT_EQ(find(tokens(0, 9), 0, "mine ").end, PrefixEnd::kUnknown);
}

TEST_F(PrefixCacheTest, SaysWhereATextDivergesToTheToken) {
  prompt_len_ = 20;
  leave(tokens(0, 16));
  auto other = tokens(0, 20);
  other[6] = 99;
  const auto match = find(other);
  EXPECT_EQ(match.tokens, 0) << "no checkpoint within the first 6 tokens";
  EXPECT_EQ(match.shared_tokens, 6);
  EXPECT_EQ(match.end, PrefixEnd::kDiverged);
  other = tokens(0, 20);
  other[13] = 99;  // among the last 8 of a prompt of 20: what a template adds for the answer
  EXPECT_EQ(find(other).shared_tokens, 13);
  EXPECT_EQ(find(other).end, PrefixEnd::kRewritten);
  other[0] = 99;
  EXPECT_EQ(find(other).end, PrefixEnd::kUnknown);
}

TEST_F(PrefixCacheTest, CheckpointsOfOneTextShareItsBlocks) {
  const auto shorter = leave(tokens(0, 8));
  const auto longer = leave(tokens(0, 16));
  EXPECT_EQ(std::vector(longer.begin(), longer.begin() + 2), shorter);
  EXPECT_EQ(blocks_[0].num_kept(), 4);
  EXPECT_EQ(cache_.bytes(), 2u * 100 + 4u * 10);
}

TEST_F(PrefixCacheTest, TheTextTouchedLongestAgoGoesFirst) {
  leave(tokens(0, 8));
  leave(tokens(100, 8));
  leave(tokens(200, 8));
  cache_.touch(find(tokens(0, 8)));
  leave(tokens(300, 8));  // a fourth text for three checkpoints
  EXPECT_EQ(find(tokens(100, 8)).tokens, 0);
  EXPECT_EQ(find(tokens(0, 8)).tokens, 8);
  EXPECT_EQ(cache_.num_evictions(), 1u);
  EXPECT_EQ(blocks_[0].num_kept(), 6);
}

TEST_F(PrefixCacheTest, OfTextsTouchedTogetherTheLongestGoesFirst) {
  leave(tokens(0, 8));
  leave(tokens(0, 16));
  cache_.touch(find(tokens(0, 16)));
  ASSERT_TRUE(cache_.free_block(0));
  EXPECT_EQ(find(tokens(0, 16)).tokens, 8);
  EXPECT_EQ(blocks_[0].num_kept(), 2);
  ASSERT_TRUE(cache_.free_block(0));
  EXPECT_FALSE(cache_.free_block(0));
  EXPECT_EQ(blocks_[0].num_free(), 16);
}

TEST_F(PrefixCacheTest, BlocksInUseAreNotFreedForBlocks) {
  const auto used = leave(tokens(0, 8));
  blocks_[0].share(used);
  leave(tokens(100, 8));
  ASSERT_TRUE(cache_.free_block(0)) << "the younger one, because the older would give nothing";
  EXPECT_EQ(find(tokens(0, 8)).tokens, 8);
  EXPECT_FALSE(cache_.free_block(0));
}

TEST_F(PrefixCacheTest, BytesBoundIt) {
  leave(tokens(0, 40));    // 100 + 100
  leave(tokens(0, 44));    // + 100 + 10
  leave(tokens(100, 16));  // + 100 + 40
  EXPECT_EQ(cache_.bytes(), 450u);
  std::vector<BlockAllocator> pool(1, BlockAllocator(16, kBlock));
  PrefixCache small(
      {.num_checkpoints = 4, .block_bytes = 10, .checkpoint_bytes = 100, .max_bytes = 250}, pool);
  for (const int32_t first : {0, 100, 200}) {
    const auto text = tokens(first, 8);
    const auto blocks = *pool[0].allocate(2);
    small.publish({.tokens = text}, blocks, *small.take_checkpoint(0));
    pool[0].release(blocks);
  }
  EXPECT_EQ(small.bytes(), 240u);
  EXPECT_EQ(small.find({.tokens = tokens(0, 8)}, 8).tokens, 0);
  EXPECT_EQ(small.find({.tokens = tokens(200, 8)}, 8).tokens, 8);
}

TEST_F(PrefixCacheTest, GeneratedTextTakesHalfOfTheCheckpointsAtMost) {
  EXPECT_TRUE(cache_.take_growing_checkpoint(0));  // 1 of 3
  EXPECT_FALSE(cache_.take_growing_checkpoint(0));
  EXPECT_TRUE(cache_.take_checkpoint(0));
  EXPECT_TRUE(cache_.take_checkpoint(0));
  EXPECT_FALSE(cache_.take_checkpoint(0)) << "all are being written";
}

TEST_F(PrefixCacheTest, ALongTextIsTakenDownWithoutDeepCalls) {
  constexpr int kBlocks = 200'000;
  std::vector<BlockAllocator> pool(1, BlockAllocator(kBlocks, 1));
  const auto text = tokens(0, kBlocks);
  {
    PrefixCache cache({.num_checkpoints = 1}, pool);
    const auto blocks = *pool[0].allocate(kBlocks);
    cache.publish({.tokens = text}, blocks, *cache.take_checkpoint(0));
    pool[0].release(blocks);
  }
  EXPECT_EQ(pool[0].num_free(), kBlocks);
}

TEST(CheckpointPositions, EndOfThePromptDivergenceAndTheWayThere) {
  const PrefixCacheConfig config{.num_checkpoints = 8, .block_bytes = 10, .checkpoint_bytes = 100};
  // The last whole block that leaves 8 tokens: (100 - 8) / 32 = 2 blocks.
  EXPECT_THAT(checkpoint_positions(config, 32, 100, {}), ElementsAre(64));
  EXPECT_THAT(checkpoint_positions(config, 32, 39, {}), IsEmpty());
  EXPECT_THAT(checkpoint_positions(config, 32, 40, {}), ElementsAre(32));
  // Another text with the first 50 tokens: it would have helped to stop at 32.
  EXPECT_THAT(checkpoint_positions(config, 32, 100, {.shared_tokens = 50}), ElementsAre(32, 64));
  EXPECT_THAT(checkpoint_positions(config, 32, 100, {.tokens = 32, .shared_tokens = 50}),
              ElementsAre(64));
  // A state is worth 10 blocks, so one every 320 tokens; at most 4 on the way, so every 640.
  EXPECT_THAT(checkpoint_positions(config, 32, 1000, {}), ElementsAre(320, 640, 960, 992));
  EXPECT_THAT(checkpoint_positions(config, 32, 2000, {}), ElementsAre(640, 1280, 1920, 1984));
  EXPECT_THAT(checkpoint_positions({}, 32, 2000, {}), IsEmpty()) << "no cache";
}

}  // namespace
}  // namespace shoal::cache
