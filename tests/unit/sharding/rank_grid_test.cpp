#include "sharding/rank_grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "sharding/expert_placement.h"

namespace shoal::sharding {
namespace {

using testing::ElementsAre;

TEST(RankGrid, UnequalWidths) {
  const RankGrid grid({3, 2});
  EXPECT_EQ(grid.world_size(), 5);
  EXPECT_EQ(grid.num_stages(), 2);
  EXPECT_EQ(grid.place(0), (RankGrid::Place{0, 0}));
  EXPECT_EQ(grid.place(2), (RankGrid::Place{0, 2}));
  EXPECT_EQ(grid.place(3), (RankGrid::Place{1, 0}));
  EXPECT_EQ(grid.place(4), (RankGrid::Place{1, 1}));
  for (int rank = 0; rank < 5; ++rank) EXPECT_EQ(grid.rank(grid.place(rank)), rank);
}

TEST(RankGrid, OwnersOfAHome) {
  const RankGrid grid({3, 2});
  // home 4: 4 % 3 = 1 on stage 0, 4 % 2 = 0 on stage 1 (rank 3).
  EXPECT_EQ(grid.owner(0, 4), 1);
  EXPECT_EQ(grid.owner(1, 4), 3);
}

TEST(RankGrid, HomesAndGroups) {
  EXPECT_EQ(RankGrid({3, 2}).num_homes(), 3);
  EXPECT_EQ(RankGrid({3, 2}).num_home_groups(), 1);
  EXPECT_EQ(RankGrid({4, 2}).num_homes(), 4);
  EXPECT_EQ(RankGrid({4, 2}).num_home_groups(), 2);
  EXPECT_EQ(RankGrid({4}).num_home_groups(), 4);
  EXPECT_EQ(RankGrid().num_home_groups(), 1);
  EXPECT_EQ(RankGrid().world_size(), 1);
}

// A rank never serves two groups, so one pool a rank is enough.
TEST(RankGrid, ARankServesOneHomeGroup) {
  for (const std::vector<int>& widths :
       {std::vector<int>{3, 2}, {4, 2}, {6, 4}, {1, 5}, {6, 9, 3}}) {
    const RankGrid grid(widths);
    std::vector<std::set<int>> groups(static_cast<size_t>(grid.world_size()));
    for (int home = 0; home < 36; ++home)
      for (int stage = 0; stage < grid.num_stages(); ++stage)
        groups[static_cast<size_t>(grid.owner(stage, home))].insert(home % grid.num_home_groups());
    for (const auto& served : groups) EXPECT_EQ(served.size(), 1u);
  }
}

TEST(RankGridDeathTest, AWidthOfZeroIsABug) {
  EXPECT_DEATH(RankGrid({2, 0}), "stage 1 has width 0");
  EXPECT_DEATH(RankGrid({2}).place(2), "rank 2 of 2");
}

TEST(ExpertPlacement, SixteenExpertsOnThreeRanks) {
  const auto placement = ExpertPlacement::contiguous(16, 3);
  EXPECT_EQ(placement.num_experts(), 16);
  EXPECT_EQ(placement.ep(), 3);
  EXPECT_THAT(placement.experts(0), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(placement.experts(1), ElementsAre(6, 7, 8, 9, 10));
  EXPECT_THAT(placement.experts(2), ElementsAre(11, 12, 13, 14, 15));
  EXPECT_THAT(placement.slots(5), ElementsAre(ExpertSlot{0, 5}));
  EXPECT_THAT(placement.slots(6), ElementsAre(ExpertSlot{1, 0}));
  EXPECT_THAT(placement.slots(15), ElementsAre(ExpertSlot{2, 4}));
}

TEST(ExpertPlacement, EveryExpertLivesOnceAndSlotsInvertExperts) {
  for (int ep = 1; ep <= 17; ++ep) {
    const auto placement = ExpertPlacement::contiguous(17, ep);
    for (int expert = 0; expert < 17; ++expert) {
      ASSERT_EQ(placement.slots(expert).size(), 1u);
      const ExpertSlot slot = placement.slots(expert)[0];
      EXPECT_EQ(placement.experts(slot.ep_rank)[static_cast<size_t>(slot.local_expert_idx)],
                expert);
    }
  }
}

}  // namespace
}  // namespace shoal::sharding
