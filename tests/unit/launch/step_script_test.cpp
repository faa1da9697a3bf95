#include "launch/engine/step_script.h"

#include <gmock/gmock.h>

#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

using testing::ElementsAre;

sharding::ShardPlan shards(std::vector<int> widths) {
  sharding::ShardPlan plan;
  plan.grid = sharding::RankGrid(std::move(widths));
  plan.block_size = 4;
  plan.num_blocks = 8;
  plan.num_slots = 2;
  plan.max_context = 16;
  plan.max_batch_tokens = 3;
  return plan;
}

TEST(StepScript, ReadsThePromptInChunksThenDecodes) {
  const auto script = make_script(shards({1}), {{{10, 11, 12, 13, 14}, 3}});
  ASSERT_EQ(script.size(), 4u);  // 3 + 2 tokens of prompt, the first sample, two more
  EXPECT_THAT(script[0].sequences[0].tokens, ElementsAre(10, 11, 12));
  EXPECT_THAT(script[0].sequences[0].new_blocks, ElementsAre(0, 1));  // 8 tokens in blocks of 4
  EXPECT_FALSE(script[0].sequences[0].sample);
  EXPECT_EQ(script[0].sequences[0].score_next, 13);
  EXPECT_EQ(script[1].sequences[0].start, 3);
  EXPECT_TRUE(script[1].sequences[0].sample);
  EXPECT_THAT(script[2].sequences[0].tokens, ElementsAre(plan::kPreviousSample));
  EXPECT_EQ(script[2].sequences[0].start, 5);
  EXPECT_EQ(script[3].sequences[0].start, 6);
}

TEST(StepScript, CapacityIsTheBusiestRanks) {
  // Homes 0, 1 and 2 of a stage of width 2: rank 0 owns the first and the third.
  const auto script = make_script(shards({2}), {{{1}, 2}, {{2}, 2}, {{3}, 2}});
  EXPECT_EQ(script.back().sequences.size(), 3u);
  EXPECT_EQ(script.back().token_capacity, 2);
}

TEST(StepScript, RefusesWhatDoesNotFit) {
  EXPECT_THROW(make_script(shards({1}), {{{1}, 16}}), Error);                     // context
  EXPECT_THROW(make_script(shards({1}), {{{1}, 1}, {{1}, 1}, {{1}, 1}}), Error);  // slots
}

}  // namespace
}  // namespace shoal::launch
