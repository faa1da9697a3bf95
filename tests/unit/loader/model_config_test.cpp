#include "loader/format/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "loader/format/split_set.h"
#include "loader/io/model_files.h"
#include "tests/unit/loader/tiny_model.h"
#include "tests/unit/loader/verdict.h"

namespace shoal::loader::testing {
namespace {

ModelConfig parse(const GgufFile& file) {
  const std::string bytes = file.bytes();
  std::vector<ShardHeader> headers;
  headers.push_back(parse_shard(as_file(bytes), "f"));
  const ParsedModel model = join_shards(std::move(headers));
  return parse_model_config(model.metadata, model.directory);
}

template <class Change>
std::string verdict_of(Change&& change) {
  GgufFile file = tiny_model();
  change(file);
  return verdict([&] { parse(file); });
}

// The demo model's dimensions as its authors state them.
TEST(ModelConfig, DemoModel) {
  const ModelFiles model =
      open_model(SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf");
  const ModelConfig config = parse_model_config(model.metadata, model.directory);
  EXPECT_EQ(config.architecture, "qwen35moe");
  EXPECT_EQ(config.name, "Shoal Demo 36M");
  EXPECT_EQ(config.num_layers, 8);
  EXPECT_EQ(config.context_length, 32768);
  EXPECT_EQ(config.hidden_size, 256);
  EXPECT_EQ(config.vocab_size, 8448);
  EXPECT_FLOAT_EQ(config.rms_epsilon, 1e-6F);
  EXPECT_EQ(config.num_heads, 4);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.head_dim, 256);
  EXPECT_EQ(config.rotary_dim, 64);
  EXPECT_FLOAT_EQ(config.rope_base, 1e7F);
  EXPECT_EQ(config.num_k_heads, 2);
  EXPECT_EQ(config.num_v_heads, 4);
  EXPECT_EQ(config.state_dim, 128);
  EXPECT_EQ(config.conv_kernel, 4);
  EXPECT_EQ(config.num_experts, 16);
  EXPECT_EQ(config.num_topk, 4);
  EXPECT_EQ(config.moe_intermediate_size, 256);
  EXPECT_EQ(config.shared_intermediate_size, 256);
  EXPECT_EQ(config.key_dim(), 256);
  EXPECT_EQ(config.value_dim(), 512);
  EXPECT_EQ(config.conv_dim(), 1024);
  EXPECT_EQ(config.num_attention_layers(), 2);
  EXPECT_EQ(config.num_delta_layers(), 6);
  EXPECT_EQ(config.layers[3], LayerKind::kAttention);
  EXPECT_EQ(config.layers[7], LayerKind::kAttention);
  EXPECT_FALSE(config.tied_embeddings);
}

TEST(ModelConfig, AcceptsTheFormsOfOldAndNewConverters) {
  EXPECT_EQ(verdict_of([](GgufFile&) {}), "loads");
  // One shared-expert gate, written with one or two dimensions.
  EXPECT_EQ(verdict_of([](GgufFile& file) {
              file.tensor("blk.0.ffn_gate_inp_shexp.weight").ne = {8, 1};
            }),
            "loads");
  // Head counts once a layer, with 0 where a layer has no such heads.
  EXPECT_EQ(verdict_of([](GgufFile& file) {
              file.put("qwen35moe.attention.head_count", 9, array_of(4, 2, raw(0) + raw(2)));
              file.put("qwen35moe.attention.head_count_kv", 9, array_of(5, 2, raw(0) + raw(1)));
            }),
            "loads");
  EXPECT_EQ(verdict_of([](GgufFile& file) { file.erase_tensor("output.weight"); }), "loads");
}

TEST(ModelConfig, TiedEmbeddings) {
  GgufFile file = tiny_model();
  file.erase_tensor("output.weight");
  EXPECT_TRUE(parse(file).tied_embeddings);
}

TEST(ModelConfig, RecurrentLayersOverrideTheInterval) {
  GgufFile file = tiny_model();
  file.u32("qwen35moe.full_attention_interval", 1);
  file.put("qwen35moe.attention.recurrent_layers", 9, array_of(7, 2, std::string("\1\0", 2)));
  EXPECT_THAT(parse(file).layers,
              ::testing::ElementsAre(LayerKind::kDeltaNet, LayerKind::kAttention));
}

// A third block that predicts further tokens: not part of the trunk, and its tensors unchecked.
TEST(ModelConfig, PredictionBlocksAreLeftOut) {
  GgufFile file = tiny_model();
  file.u32("qwen35moe.block_count", 3);
  file.u32("qwen35moe.nextn_predict_layers", 1);
  file.tensors.push_back({"blk.2.nextn.eh_proj.weight", {16, 8}});
  const ModelConfig config = parse(file);
  EXPECT_EQ(config.num_layers, 2);
  EXPECT_EQ(config.layers.size(), 2U);
}

// Second-level scales: one number a matrix, one an expert; those of activations are not looked at.
TEST(ModelConfig, ScalesBelongToMatrices) {
  const auto with = [](const char* name, std::vector<int64_t> ne, uint32_t type = 0) {
    return verdict_of([&](GgufFile& file) { file.tensors.push_back({name, ne, type}); });
  };
  EXPECT_EQ(with("blk.1.attn_q.scale", {1}), "loads");
  EXPECT_EQ(with("blk.1.ffn_down_exps.scale", {5}), "loads");
  EXPECT_EQ(with("output.scale", {1}), "loads");
  EXPECT_EQ(with("blk.1.attn_q.input_scale", {1}), "loads");
  EXPECT_THAT(with("blk.1.attn_q.scale", {2}),
              ::testing::EndsWith("tensor 'blk.1.attn_q.scale' has 2 elements, expected 1"));
  EXPECT_THAT(with("blk.1.ffn_down_exps.scale", {1}),
              ::testing::EndsWith("tensor 'blk.1.ffn_down_exps.scale' has 1 elements, expected 5"));
  for (const char* name : {"token_embd.scale",
                           "blk.1.ffn_gate_inp.scale",
                           "blk.1.attn_norm.scale",
                           "blk.1.ffn_gate_up_exps.scale",
                           ".scale"})
    EXPECT_THAT(with(name, {1}), ::testing::EndsWith("is the scale of no tensor that takes one"));
}

struct BadModel {
  std::string verdict;
  std::string ending;
};

TEST(ModelConfig, RefusesBadKeys) {
  const auto u32 = [](const char* key, uint32_t value) {
    return verdict_of([&](GgufFile& file) { file.u32(std::string("qwen35moe.") + key, value); });
  };
  const auto f32 = [](const char* key, float value) {
    return verdict_of([&](GgufFile& file) { file.f32(std::string("qwen35moe.") + key, value); });
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  const std::vector<BadModel> models = {
      {verdict_of([](GgufFile& file) { file.erase("general.architecture"); }),
       "29]: f: required key 'general.architecture' is missing"},
      {verdict_of([](GgufFile& file) { file.string("qwen35moe.block_count", "2"); }),
       "30]: f: key 'qwen35moe.block_count' must be u32, found string"},
      {verdict_of([](GgufFile& file) { file.string("general.architecture", "llama"); }),
       "31]: f: architecture 'llama' is not supported; this program runs qwen35moe"},
      {u32("block_count", 0), "36]: f: block_count 0 is outside 1..1024"},
      {u32("block_count", UINT32_MAX), "36]: f: block_count 4294967295 is outside 1..1024"},
      {u32("full_attention_interval", 0), "37]: f: full_attention_interval 0 must be at least 1"},
      {u32("attention.head_count", 0), "37]: f: head_count 0 must be at least 1"},
      {u32("attention.key_length", 0), "37]: f: key_length 0 must be at least 1"},
      {u32("attention.key_length", UINT32_MAX), "37]: f: key_length 4294967295 exceeds 1048576"},
      {u32("expert_used_count", 11), "38]: f: expert_used_count 11 exceeds expert_count 5"},
      {u32("expert_count", 0), "38]: f: expert_count 0 is outside 1..1048576"},
      {f32("attention.layer_norm_rms_epsilon", nan),
       "39]: f: rms epsilon is NaN; a small positive number is required"},
      {f32("rope.freq_base", infinite),
       "39]: f: rope base is inf; a positive number up to 1000000000000 is required"},
      {f32("rope.freq_base", -1.0F),
       "39]: f: rope base is -1; a positive number up to 1000000000000 is required"},
      {verdict_of([](GgufFile& file) {
         file.put("qwen35moe.attention.head_count_kv", 9, array_of(4, 1, raw(1)));
       }),
       "40]: f: array 'head_count_kv' has 1 entries for 2 layers"},
      {verdict_of([](GgufFile& file) {
         file.tensor("token_embd.weight").ne = {8, 9};
       }),
       "41]: f: vocabulary has 8 tokens but token_embd has 9 rows"},
  };
  for (const BadModel& model : models)
    EXPECT_EQ(without_byte(model.verdict), "error[GGUF-" + model.ending);
}

TEST(ModelConfig, RefusesBadTensors) {
  const std::vector<BadModel> models = {
      {verdict_of([](GgufFile& file) { file.tensors.clear(); }), "no tensors in the model"},
      {verdict_of([](GgufFile& file) {
         file.tensor("blk.0.ssm_out.weight").ne = {8, 0};
       }),
       "tensor 'blk.0.ssm_out.weight' has shape [8, 0], expected [8, 8]"},
      {verdict_of([](GgufFile& file) {
         file.tensor("blk.1.attn_norm.weight") = {"blk.1.attn_norm.weight", {8}, 1, 16};
       }),
       "tensor 'blk.1.attn_norm.weight' is f16; f32 is required"},
      {verdict_of([](GgufFile& file) { file.erase_tensor("blk.1.ffn_down_exps.weight"); }),
       "tensor 'blk.1.ffn_down_exps.weight' is missing"},
      {verdict_of([](GgufFile& file) {
         file.tensor("blk.0.ffn_up_exps.weight").ne = {8, 3, 4};
       }),
       "tensor 'blk.0.ffn_up_exps.weight' has shape [8, 3, 4], expected [8, 3, 5]"},
      {verdict_of([](GgufFile& file) {
         file.tensors.push_back({"blk.99999999999999999999.x", {8}});
       }),
       "tensor 'blk.99999999999999999999.x' names a layer outside 0..1"},
  };
  for (const BadModel& model : models)
    EXPECT_THAT(model.verdict, ::testing::EndsWith(model.ending));
}

}  // namespace
}  // namespace shoal::loader::testing
