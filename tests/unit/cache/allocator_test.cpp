#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "runtime/cache/block_allocator.h"
#include "runtime/cache/slot_allocator.h"

namespace shoal::cache {
namespace {

using testing::ElementsAre;
using testing::Optional;

TEST(BlockAllocator, GivesLowIdsFirstAndReusesTheLastReleased) {
  BlockAllocator blocks(4, 32);
  EXPECT_THAT(blocks.allocate(3), Optional(ElementsAre(0, 1, 2)));
  blocks.release(std::vector<int32_t>{1});
  EXPECT_THAT(blocks.allocate(2), Optional(ElementsAre(1, 3)));
}

TEST(BlockAllocator, AFailedAllocationChangesNothing) {
  BlockAllocator blocks(4, 32);
  ASSERT_TRUE(blocks.allocate(3).has_value());
  EXPECT_EQ(blocks.allocate(2), std::nullopt);
  EXPECT_EQ(blocks.num_free(), 1);
  EXPECT_THAT(blocks.allocate(1), Optional(ElementsAre(3)));
  EXPECT_EQ(blocks.allocate(1), std::nullopt);
  EXPECT_THAT(blocks.allocate(0), Optional(ElementsAre()));
}

TEST(BlockAllocator, CountsBlocksOfASequence) {
  const BlockAllocator blocks(1, 32);
  EXPECT_EQ(blocks.blocks_for(0), 0);
  EXPECT_EQ(blocks.blocks_for(1), 1);
  EXPECT_EQ(blocks.blocks_for(32), 1);
  EXPECT_EQ(blocks.blocks_for(33), 2);
}

TEST(BlockAllocator, EmptyPoolRefuses) {
  BlockAllocator blocks(0, 32);
  EXPECT_EQ(blocks.allocate(1), std::nullopt);
}

TEST(SlotAllocator, OneAtATime) {
  SlotAllocator slots(2);
  EXPECT_EQ(slots.allocate_one(), 0);
  EXPECT_EQ(slots.allocate_one(), 1);
  EXPECT_EQ(slots.allocate_one(), std::nullopt);
  slots.release_one(0);
  EXPECT_EQ(slots.allocate_one(), 0);
}

TEST(AllocatorDeathTest, ReleasingTwiceIsABug) {
  BlockAllocator blocks(2, 32);
  ASSERT_TRUE(blocks.allocate(1).has_value());
  blocks.release(std::vector<int32_t>{0});
  EXPECT_DEATH(blocks.release(std::vector<int32_t>{0}), "block 0 is free");
  EXPECT_DEATH(blocks.release(std::vector<int32_t>{2}), "block 2 of a pool of 2");
}

TEST(BlockAllocator, ABlockIsFreeWhenItHasNeitherUserNorKeeper) {
  BlockAllocator blocks(3, 32);
  const std::vector<int32_t> ids = *blocks.allocate(2);
  blocks.keep(ids);
  blocks.keep(std::vector<int32_t>{0});
  EXPECT_EQ(blocks.num_kept(), 2);
  EXPECT_EQ(blocks.num_reclaimable(), 0) << "a sequence still uses them";
  blocks.release(ids);
  EXPECT_EQ(blocks.num_reclaimable(), 2);
  EXPECT_EQ(blocks.num_used(), 0);
  EXPECT_EQ(blocks.allocate(2), std::nullopt) << "kept blocks are not free";
  EXPECT_FALSE(blocks.last_keeper(0));
  EXPECT_TRUE(blocks.last_keeper(1));
  blocks.share(std::vector<int32_t>{1});
  EXPECT_FALSE(blocks.last_keeper(1));
  blocks.unkeep(ids);
  EXPECT_EQ(blocks.num_free(), 1) << "0 has a keeper, 1 a user";
  blocks.release(std::vector<int32_t>{1});
  blocks.unkeep(std::vector<int32_t>{0});
  EXPECT_EQ(blocks.num_free(), 3);
  EXPECT_EQ(blocks.num_kept() + blocks.num_reclaimable(), 0);
}

// Against a set: no id is ever handed out twice, none is lost, and failures are exactly those
// where the pool is short.
TEST(BlockAllocator, RandomOperationsAgreeWithASet) {
  std::mt19937 random(7);
  constexpr int kSize = 97;
  BlockAllocator blocks(kSize, 32);
  std::set<int32_t> used;
  std::vector<std::vector<int32_t>> owners;
  for (int round = 0; round < 20'000; ++round) {
    if (random() % 2 == 0 || owners.empty()) {
      const int count = static_cast<int>(random() % 12);
      const auto ids = blocks.allocate(count);
      ASSERT_EQ(ids.has_value(), count <= kSize - static_cast<int>(used.size()));
      if (!ids) continue;
      ASSERT_EQ(ids->size(), static_cast<size_t>(count));
      for (const int32_t id : *ids) {
        ASSERT_TRUE(id >= 0 && id < kSize);
        ASSERT_TRUE(used.insert(id).second) << id << " handed out twice";
      }
      owners.push_back(*ids);
    } else {
      std::swap(owners[random() % owners.size()], owners.back());
      blocks.release(owners.back());
      for (const int32_t id : owners.back()) used.erase(id);
      owners.pop_back();
    }
    ASSERT_EQ(blocks.num_used(), static_cast<int>(used.size()));
    ASSERT_EQ(blocks.num_free() + blocks.num_used(), kSize);
  }
}

}  // namespace
}  // namespace shoal::cache
