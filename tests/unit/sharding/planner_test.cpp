// A hand-made model: 8 layers (three DeltaNet, one attention, twice), 16 experts, all F32, so every
// byte count below is a product that fits on a line.
#include "sharding/planner.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "sharding/memory_estimate.h"

namespace shoal::sharding {
namespace {

using loader::LayerKind;
using loader::ModelConfig;
using loader::TensorDirectory;
using loader::TensorInfo;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kHidden = 32, kVocab = 100, kExperts = 16, kIntermediate = 64;

ModelConfig small_config() {
  ModelConfig config;
  config.architecture = "qwen35moe";
  config.num_layers = 8;
  config.context_length = 1000;
  config.hidden_size = kHidden;
  config.vocab_size = kVocab;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 16;
  config.num_k_heads = 2;
  config.num_v_heads = 4;
  config.state_dim = 8;
  config.conv_kernel = 4;
  config.num_experts = kExperts;
  config.num_topk = 4;
  config.moe_intermediate_size = kIntermediate;
  config.shared_intermediate_size = kIntermediate;
  for (int layer = 0; layer < 8; ++layer)
    config.layers.push_back(layer % 4 == 3 ? LayerKind::kAttention : LayerKind::kDeltaNet);
  return config;
}

class DirectoryBuilder {
 public:
  void add(const std::string& name, int64_t in, int64_t out = 1, int64_t experts = 1) {
    TensorInfo tensor{.name = name, .ne = {in, out, experts, 1}};
    tensor.bytes = static_cast<uint64_t>(tensor.elements()) * 4;
    tensor.offset = offset_;
    offset_ += tensor.bytes;
    tensors_.push_back(tensor);
  }
  TensorDirectory build() {
    return TensorDirectory({{.path = "model.gguf", .bytes = offset_, .data_offset = 0}}, tensors_);
  }

 private:
  uint64_t offset_ = 0;
  std::vector<TensorInfo> tensors_;
};

TensorDirectory small_directory(bool tied, int num_layers = 8) {
  DirectoryBuilder builder;
  builder.add("token_embd.weight", kHidden, kVocab);
  if (!tied) builder.add("output.weight", kHidden, kVocab);
  builder.add("output_norm.weight", kHidden);
  for (int layer = 0; layer < num_layers; ++layer) {
    const std::string blk = fmt::format("blk.{}.", layer);
    builder.add(blk + "attn_norm.weight", kHidden);
    builder.add(blk + "ffn_gate_inp.weight", kHidden, kExperts);
    builder.add(blk + "ffn_gate_exps.weight", kHidden, kIntermediate, kExperts);
    builder.add(blk + "ffn_up_exps.weight", kHidden, kIntermediate, kExperts);
    builder.add(blk + "ffn_down_exps.weight", kIntermediate, kHidden, kExperts);
    builder.add(blk + "ffn_gate_shexp.weight", kHidden, kIntermediate);
  }
  return builder.build();
}

constexpr uint64_t kExpertBytes = 3 * 4 * kHidden * kIntermediate;  // gate, up, down of one
constexpr uint64_t kDenseLayerBytes = 4 * kHidden * (1 + kExperts + kIntermediate);
constexpr uint64_t kEmbeddingBytes = 4 * kHidden * kVocab;

ShardPlan plan_or_die(const ClusterSpec& cluster, bool tied = false) {
  ModelConfig config = small_config();
  config.tied_embeddings = tied;
  const auto result = plan_shards(small_directory(tied), config, cluster);
  if (const auto* refusal = std::get_if<Refusal>(&result))
    throw std::runtime_error(refusal->reason);
  return std::get<ShardPlan>(result);
}

Refusal refusal_of(const ClusterSpec& cluster) {
  const auto result = plan_shards(small_directory(false), small_config(), cluster);
  return std::holds_alternative<Refusal>(result) ? std::get<Refusal>(result)
                                                 : Refusal{"(was accepted)"};
}

// How often each outer index of each tensor is loaded by the ranks of one stage.
std::vector<std::vector<int>> coverage(const ShardPlan& plan,
                                       const TensorDirectory& directory,
                                       int stage) {
  std::vector<std::vector<int>> times;
  for (const TensorInfo& tensor : directory.tensors())
    times.emplace_back(static_cast<size_t>(tensor.outer()), 0);
  for (int ep_rank = 0; ep_rank < plan.grid.ep(stage); ++ep_rank)
    for (const auto& slice :
         plan.ranks[static_cast<size_t>(plan.grid.rank({stage, ep_rank}))].slices)
      for (int64_t i = slice.outer_begin; i < slice.outer_end; ++i)
        ++times[static_cast<size_t>(slice.tensor_idx)][static_cast<size_t>(i)];
  return times;
}

TEST(Planner, OneRankLoadsEverythingOnce) {
  const auto directory = small_directory(false);
  const ShardPlan plan = plan_or_die({});
  EXPECT_EQ(plan.ranks.size(), 1u);
  EXPECT_EQ(plan.ranks[0].weight_bytes, directory.total_bytes());
  EXPECT_EQ(plan.ranks[0].expert_bytes, 8 * kExperts * kExpertBytes);
  for (const auto& tensor : coverage(plan, directory, 0))
    for (const int times : tensor) EXPECT_EQ(times, 1);
}

TEST(Planner, SixteenExpertsOnThreeRanks) {
  const ShardPlan plan = plan_or_die({.ep_per_stage = {3}});
  ASSERT_EQ(plan.ranks.size(), 3u);
  EXPECT_EQ(plan.ranks[0].expert_bytes, 8 * 6 * kExpertBytes);
  EXPECT_EQ(plan.ranks[1].expert_bytes, 8 * 5 * kExpertBytes);
  EXPECT_EQ(plan.ranks[2].expert_bytes, 8 * 5 * kExpertBytes);
  const uint64_t dense = 8 * kDenseLayerBytes + 2 * kEmbeddingBytes + 4 * kHidden;
  for (const RankShare& share : plan.ranks)
    EXPECT_EQ(share.weight_bytes - share.expert_bytes, dense);
}

TEST(Planner, EightLayersOnThreeStages) {
  const ShardPlan plan = plan_or_die({.ep_per_stage = {1, 1, 1}});
  EXPECT_THAT(plan.first_layer, ElementsAre(0, 3, 6, 8));
  const uint64_t layer = kDenseLayerBytes + kExperts * kExpertBytes;
  EXPECT_EQ(plan.ranks[0].weight_bytes, 3 * layer + kEmbeddingBytes);
  EXPECT_EQ(plan.ranks[1].weight_bytes, 3 * layer);
  EXPECT_EQ(plan.ranks[2].weight_bytes, 2 * layer + kEmbeddingBytes + 4 * kHidden);
}

TEST(Planner, TiedEmbeddingIsOnBothEnds) {
  const ShardPlan plan = plan_or_die({.ep_per_stage = {1, 1}}, true);
  const uint64_t half = 4 * (kDenseLayerBytes + kExperts * kExpertBytes);
  EXPECT_EQ(plan.ranks[0].weight_bytes, half + kEmbeddingBytes);
  EXPECT_EQ(plan.ranks[1].weight_bytes, half + kEmbeddingBytes + 4 * kHidden);
  EXPECT_EQ(plan_or_die({}, true).ranks[0].weight_bytes, small_directory(true).total_bytes());
}

// On any grid: an expert is on exactly one rank of its stage, a dense tensor on every rank of it,
// and nothing is anywhere else.
TEST(Planner, SlicesCoverEveryTensorAsTheyShould) {
  const auto directory = small_directory(false);
  for (const std::vector<int>& widths :
       {std::vector<int>{1}, {2}, {3}, {16}, {3, 2}, {1, 5, 2}, {2, 2, 2, 2, 1, 1, 1, 3}}) {
    const ShardPlan plan = plan_or_die({.ep_per_stage = widths});
    const int last = plan.grid.num_stages() - 1;
    for (int stage = 0; stage <= last; ++stage) {
      const auto times = coverage(plan, directory, stage);
      for (size_t i = 0; i < times.size(); ++i) {
        const TensorInfo& tensor = directory.tensors()[i];
        const int layer = loader::tensor_layer(tensor);
        const bool here = layer >= 0 ? layer >= plan.first_layer[static_cast<size_t>(stage)] &&
                                           layer < plan.first_layer[static_cast<size_t>(stage) + 1]
                                     : stage == (tensor.name == "token_embd.weight" ? 0 : last);
        const bool expert = tensor.name.find("_exps") != std::string::npos;
        const int wanted = !here ? 0 : expert ? 1 : plan.grid.ep(stage);
        for (const int got : times[i]) ASSERT_EQ(got, wanted) << tensor.name << " stage " << stage;
      }
    }
  }
}

TEST(Planner, LayersBeyondTheTrunkAreNotLoaded) {
  const auto result = plan_shards(small_directory(false, 9), small_config(), {});
  EXPECT_EQ(std::get<ShardPlan>(result).ranks[0].weight_bytes,
            small_directory(false, 8).total_bytes());
}

TEST(Planner, KvAndStateByHand) {
  // 40 tokens are 2 blocks; 3 sequences are 6 blocks. 2 attention layers x keys and values x
  // 2 heads x 16 x 4 bytes x 32 tokens a block.
  const ShardPlan plan = plan_or_die({.context = 40, .max_sequences = 3});
  EXPECT_EQ(plan.num_blocks, 6);
  EXPECT_EQ(plan.num_slots, 3);
  EXPECT_EQ(plan.max_context, 40);
  EXPECT_EQ(plan.ranks[0].kv_bytes, 6u * 2 * 2 * 2 * 16 * 4 * 32);
  // 6 DeltaNet layers x (4 heads x 8 x 8 + 3 rows of (2 x 2 x 8 + 4 x 8)) x 4 bytes.
  EXPECT_EQ(plan.ranks[0].state_bytes, 3u * 6 * (4 * 8 * 8 + 3 * 64) * 4);
}

TEST(Planner, StagesHoldTheirOwnLayersCache) {
  // Layers 0..3 | 4..7: one attention and three DeltaNet layers each.
  const ShardPlan plan = plan_or_die({.ep_per_stage = {1, 1}, .context = 32, .max_sequences = 1});
  EXPECT_EQ(plan.num_blocks, 1);
  for (const RankShare& share : plan.ranks) {
    EXPECT_EQ(share.kv_bytes, 1u * 2 * 2 * 16 * 4 * 32);
    EXPECT_EQ(share.state_bytes, 3u * (4 * 8 * 8 + 3 * 64) * 4);
  }
}

TEST(Planner, SequencesSpreadOverHomeGroups) {
  // 5 sequences over 2 pools: 3 in the fuller one, 2 blocks each.
  EXPECT_EQ(plan_or_die({.ep_per_stage = {2}, .context = 64, .max_sequences = 5}).num_blocks, 6);
  // Widths 3 and 2 share one pool.
  EXPECT_EQ(plan_or_die({.ep_per_stage = {3, 2}, .context = 64, .max_sequences = 5}).num_blocks,
            10);
}

TEST(Planner, ContextDefaultsToTheModels) {
  EXPECT_EQ(plan_or_die({.max_sequences = 1}).max_context, 1000);
  EXPECT_EQ(plan_or_die({.max_sequences = 1}).num_blocks, 32);  // 31.25 blocks
}

TEST(Planner, MemoryLimitsBlocksBeforeItRefuses) {
  const ClusterSpec roomy{.context = 320, .max_sequences = 4};
  const ShardPlan plan = plan_or_die(roomy);
  ASSERT_EQ(plan.num_blocks, 40);
  const RankShare& share = plan.ranks[0];
  const uint64_t fixed = share.weight_bytes + share.state_bytes + share.scratch_bytes;
  const uint64_t block = share.kv_bytes / 40;

  ClusterSpec tight = roomy;
  tight.memory_per_rank = fixed + 17 * block + block / 2;
  EXPECT_EQ(plan_or_die(tight).num_blocks, 17);

  tight.memory_per_rank = fixed + 10 * block;  // exactly one sequence
  EXPECT_EQ(plan_or_die(tight).num_blocks, 10);

  tight.memory_per_rank = fixed + 10 * block - 1;
  const Refusal refusal = refusal_of(tight);
  EXPECT_FALSE(refusal.usage);
  EXPECT_THAT(refusal.reason, HasSubstr("rank 0 needs"));
}

TEST(Planner, TheTightestRankDecides) {
  const ShardPlan plan = plan_or_die({.ep_per_stage = {3}, .context = 320, .max_sequences = 12});
  const RankShare& widest = plan.ranks[0];  // six experts where the others hold five
  ClusterSpec tight{.ep_per_stage = {3}, .context = 320, .max_sequences = 12};
  tight.memory_per_rank = widest.weight_bytes + widest.state_bytes + widest.scratch_bytes +
                          exchange_bytes(small_config(), 3, plan.max_batch_tokens) +
                          12 * widest.kv_bytes / static_cast<uint64_t>(plan.num_blocks);
  EXPECT_EQ(plan_or_die(tight).num_blocks, 12);
}

// Stages of unlike machines: three layers where less memory is, five where more is.
TEST(Planner, LayersAndMemoryOfEachStage) {
  const ClusterSpec cluster{
      .ep_per_stage = {1, 2}, .context = 32, .max_sequences = 1, .layers_per_stage = {3, 5}};
  const ShardPlan plan = plan_or_die(cluster);
  EXPECT_THAT(plan.first_layer, ElementsAre(0, 3, 8));
  EXPECT_EQ(plan.ranks[0].weight_bytes - plan.ranks[0].expert_bytes,
            3 * kDenseLayerBytes + kEmbeddingBytes);
  EXPECT_EQ(plan.ranks[2].expert_bytes, 5 * 8 * kExpertBytes);

  ClusterSpec tight = cluster;
  const auto needed = [&](int rank, int ep) {
    const RankShare& share = plan.ranks[static_cast<size_t>(rank)];
    return share.weight_bytes + share.state_bytes + share.scratch_bytes + share.kv_bytes +
           exchange_bytes(small_config(), ep, plan.max_batch_tokens);
  };
  tight.stage_memory = {needed(0, 1), needed(1, 2)};
  EXPECT_EQ(plan_or_die(tight).num_blocks, 1);
  --tight.stage_memory[1];
  EXPECT_THAT(refusal_of(tight).reason, HasSubstr("rank 1 needs"));
}

// One of 3 ranks holds messages for the two others: rows out and in, results out and in.
TEST(MemoryEstimate, MessagesOfAnExchange) {
  EXPECT_EQ(exchange_bytes(small_config(), 3, 100), 4u * 2 * 100 * kHidden * 4);
  EXPECT_EQ(exchange_bytes(small_config(), 1, 100), 0u);
}

TEST(Planner, RefusesContradictions) {
  const auto refuses = [](const ClusterSpec& cluster, const char* why) {
    const Refusal refusal = refusal_of(cluster);
    EXPECT_THAT(refusal.reason, HasSubstr(why));
    EXPECT_TRUE(refusal.usage) << refusal.reason;
  };
  refuses({.ep_per_stage = {}}, "no pipeline stage");
  refuses({.ep_per_stage = {0}}, "stage 0 has 0 ranks");
  refuses({.ep_per_stage = {2, 17}}, "stage 1 has 17 ranks for 16 experts");
  refuses({.ep_per_stage = std::vector<int>(9, 1)}, "9 pipeline stages for 8 layers");
  refuses({.context = 1001}, "the model allows 1 to 1000");
  refuses({.context = -1}, "the model allows");
  refuses({.max_sequences = 0}, "0 sequences");
  refuses({.max_batch_tokens = 0}, "0 tokens in a step");
  refuses({.ep_per_stage = {1, 1}, .layers_per_stage = {3, 4}}, "hold 7 layers, the model has 8");
  refuses({.ep_per_stage = {1, 1}, .layers_per_stage = {8}}, "layers of 1 stages for 2");
  refuses({.ep_per_stage = {1, 1}, .layers_per_stage = {8, 0}}, "a stage of 0 layers");
  refuses({.ep_per_stage = {1, 1}, .stage_memory = {8}}, "memory of 1 stages for 2");
}

TEST(Planner, BackendIsAPropertyOfEverySlice) {
  const ShardPlan plan = plan_or_die({.backend = Backend::kReference});
  for (const auto& slice : plan.ranks[0].slices) EXPECT_EQ(slice.backend, Backend::kReference);
}

TEST(Planner, IsPure) {
  EXPECT_EQ(plan_or_die({.ep_per_stage = {3, 2}}), plan_or_die({.ep_per_stage = {3, 2}}));
}

TEST(PlanTable, NamesRanksLayersAndExperts) {
  const std::string table = to_table(plan_or_die({.ep_per_stage = {3, 2}, .context = 64}));
  EXPECT_THAT(table, HasSubstr("rank  stage"));
  EXPECT_THAT(table, HasSubstr("6-10"));  // the experts of rank 1
  EXPECT_THAT(table, HasSubstr("4-7"));   // the layers of stage 1
  EXPECT_THAT(table, HasSubstr("8-15"));  // the experts of rank 4
  EXPECT_THAT(table, HasSubstr("64 tokens a sequence"));
}

}  // namespace
}  // namespace shoal::sharding
