// The planner on a real header: the demo model's five shards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loader/io/model_files.h"
#include "sharding/planner.h"

namespace shoal::sharding {
namespace {

class DemoPlan : public testing::Test {
 protected:
  ShardPlan plan(ClusterSpec cluster) {
    const auto result = plan_shards(model_.directory, config_, cluster);
    if (const auto* refusal = std::get_if<Refusal>(&result))
      throw std::runtime_error(refusal->reason);
    return std::get<ShardPlan>(result);
  }

  loader::ModelFiles model_ = loader::open_model(SHOAL_TEST_MODELS);
  loader::ModelConfig config_ = loader::parse_model_config(model_.metadata, model_.directory);
};

// One rank computes with every tensor of the trunk; only layers beyond it stay on disk.
TEST_F(DemoPlan, OneRankReadsTheTrunk) {
  uint64_t trunk = 0;
  for (const loader::TensorInfo& tensor : model_.directory.tensors())
    if (loader::tensor_layer(tensor) < config_.num_layers) trunk += tensor.bytes;
  EXPECT_EQ(plan({}).ranks[0].weight_bytes, trunk);
}

// Spread over ranks, the experts of all of them are the file's, each once.
TEST_F(DemoPlan, ExpertsAddUpOnAnyGrid) {
  const uint64_t experts = plan({}).ranks[0].expert_bytes;
  EXPECT_GT(experts, 0u);
  for (const std::vector<int>& widths : {std::vector<int>{2}, {3}, {1, 1}, {3, 2}, {2, 2}}) {
    uint64_t sum = 0;
    const ShardPlan spread = plan({.ep_per_stage = widths});
    for (const RankShare& share : spread.ranks) sum += share.expert_bytes;
    EXPECT_EQ(sum, experts);
  }
}

TEST_F(DemoPlan, PrintsATable) {
  const std::string table = to_table(plan({.ep_per_stage = {3}}));
  EXPECT_THAT(table, testing::HasSubstr("replicated"));
}

}  // namespace
}  // namespace shoal::sharding
