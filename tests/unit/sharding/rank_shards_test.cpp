#include "sharding/rank_shards.h"

#include <gmock/gmock.h>

namespace shoal::sharding {
namespace {

using loader::TensorDirectory;
using loader::TensorInfo;
using testing::ElementsAre;

TEST(ShardsOfRank, AreTheFirstAndThoseOfItsSlices) {
  std::vector<TensorInfo> tensors;
  for (int shard : {1, 1, 2, 3})
    tensors.push_back({.name = std::to_string(tensors.size()), .ne = {4, 8, 1, 1}, .shard = shard});
  const TensorDirectory directory(std::vector<loader::ShardFile>(4), tensors);
  ShardPlan plan;
  plan.grid = RankGrid({3});
  plan.ranks.resize(3);
  plan.ranks[0].slices = {{3, 0, 8}, {0, 0, 8}};
  plan.ranks[1].slices = {{2, 0, 0}};  // nothing of it
  EXPECT_THAT(shards_of_rank(plan, directory, 0), ElementsAre(0, 1, 3));
  EXPECT_THAT(shards_of_rank(plan, directory, 1), ElementsAre(0));
  EXPECT_THAT(shards_of_rank(plan, directory, 2), ElementsAre(0));
}

}  // namespace
}  // namespace shoal::sharding
