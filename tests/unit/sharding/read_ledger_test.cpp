// What each rank would read of the real 397B set, from the ledger: its own experts and the dense
// tensors of its stage, no byte of another rank. The set is sparse: headers are all it takes.
#include "loader/io/read_ledger.h"

#include <gtest/gtest.h>

#include <map>

#include "loader/io/model_files.h"
#include "sharding/planner.h"
#include "tests/tools/model_set.h"
#include "tests/unit/loader/scratch_folder.h"

namespace shoal::sharding {
namespace {

using loader::TensorClass;

// 512 experts of 60 layers: gate and up of 1,024 rows of 4,096 in IQ3_XXS (98 bytes for 256), down
// of 4,096 rows of 1,024 in IQ4_XS (136 for 256); in layer 27 IQ4_XS and Q5_K (176).
constexpr uint64_t kExpert = 2 * 1024 * 16 * 98 + uint64_t{4096} * 4 * 136;
constexpr uint64_t kExceptionExpert = 2 * 1024 * 16 * 136 + uint64_t{4096} * 4 * 176;

uint64_t expert_bytes(int first_layer, int end_layer) {
  const bool exception = first_layer <= 27 && 27 < end_layer;
  return static_cast<uint64_t>(end_layer - first_layer) * kExpert +
         (exception ? kExceptionExpert - kExpert : 0);
}

TEST(RealReads, EachRankReadsItsRangesAndTogetherTheyAreTheFiles) {
  const loader::testing::ScratchFolder folder;
  const auto paths = tools::write_model_set({}, folder.path());
  const loader::ModelFiles files = loader::open_model(paths.front());
  const loader::ModelConfig config = loader::parse_model_config(files.metadata, files.directory);
  for (const std::vector<int>& grid :
       std::vector<std::vector<int>>{{1}, {3}, {8}, {16}, {1, 1}, {4, 4, 4, 4}, {8, 8}, {3, 2}}) {
    const auto planned =
        plan_shards(files.directory, config, {.ep_per_stage = grid, .context = 4096});
    ASSERT_TRUE(std::holds_alternative<ShardPlan>(planned));
    const ShardPlan& plan = std::get<ShardPlan>(planned);
    // Two ranks with one expert would overlap here, which record() asserts against.
    loader::ReadLedger experts_of_all;
    std::map<int, uint64_t> dense_of_stage;
    for (int rank = 0; rank < plan.grid.world_size(); ++rank) {
      const RankGrid::Place place = plan.grid.place(rank);
      const auto stage = static_cast<size_t>(place.stage);
      loader::ReadLedger ledger;  // as WeightReader keeps it, which would also read the holes
      for (const TensorSlice& slice : plan.ranks[static_cast<size_t>(rank)].slices) {
        const auto& tensor = files.directory.tensors()[static_cast<size_t>(slice.tensor_idx)];
        const auto range = loader::outer_range(tensor, slice.outer_begin, slice.outer_end);
        const TensorClass tensor_class = loader::tensor_class(tensor);
        EXPECT_TRUE(ledger.record(range, tensor_class));
        if (tensor_class != TensorClass::kRoutedExpert) continue;
        EXPECT_TRUE(experts_of_all.record(range, tensor_class));
      }
      const uint64_t num_experts = plan.experts[stage].experts(place.ep_rank).size();
      const uint64_t routed = ledger.bytes(TensorClass::kRoutedExpert);
      EXPECT_EQ(routed,
                num_experts * expert_bytes(plan.first_layer[stage], plan.first_layer[stage + 1]));
      const uint64_t dense = ledger.total_bytes() - routed;
      EXPECT_EQ(dense_of_stage.emplace(place.stage, dense).first->second, dense);
    }
    uint64_t dense = 0;
    for (const auto& [stage, bytes] : dense_of_stage) dense += bytes;
    EXPECT_EQ(experts_of_all.total_bytes(), 512 * expert_bytes(0, 60));
    EXPECT_EQ(dense + experts_of_all.total_bytes(), files.directory.total_bytes());
  }
}

}  // namespace
}  // namespace shoal::sharding
