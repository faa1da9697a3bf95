#include "loader/format/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loader/format/split_set.h"
#include "loader/io/model_files.h"
#include "tests/unit/loader/tiny_model.h"

namespace shoal::loader::testing {
namespace {

using ::testing::HasSubstr;

ModelFiles demo() {
  return open_model(SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf");
}

// Totals counted from the header by another program.
TEST(Describe, DemoModelAsJson) {
  const ModelFiles model = demo();
  const nlohmann::ordered_json json = describe_model(model.metadata, model.directory);
  EXPECT_EQ(json["architecture"], "qwen35moe");
  EXPECT_EQ(json["name"], "Shoal Demo 36M");
  EXPECT_EQ(json["runnable"], true);
  EXPECT_EQ(json["num_tensors"], 149);
  EXPECT_EQ(json["total_bytes"], 28885952);
  EXPECT_EQ(json["num_parameters"], 36384816);
  EXPECT_EQ(json["shards"].size(), 5U);
  EXPECT_EQ(json["shards"][0]["num_tensors"], 0);
  EXPECT_EQ(json["shards"][1]["num_tensors"], 25);
  EXPECT_EQ(json["config"]["layers"], "DDDADDDA");
  EXPECT_EQ(json["metadata"]["qwen35moe.attention.layer_norm_rms_epsilon"].dump(), "1e-06");
  EXPECT_EQ(json["metadata"]["tokenizer.ggml.tokens"]["count"], 8448);
  EXPECT_EQ(json["tensors"].size(), 149U);
  const auto& tensor = json["tensors"][6];
  EXPECT_EQ(tensor["name"], "blk.0.ffn_down_exps.weight");
  EXPECT_EQ(tensor["class"], "routed_expert");
  EXPECT_EQ(tensor["dtype"], "q5_K");
  EXPECT_EQ(tensor["shape"], (std::vector<int>{256, 256, 16}));
  EXPECT_EQ(tensor["shard"], 2);
  EXPECT_EQ(tensor["bytes"], 16 * 256 * 176);
  uint64_t mixed = 0;
  for (const auto& entry : json["quant_mix"]) {
    mixed += entry["bytes"].get<uint64_t>();
    if (entry["class"] == "routed_expert" && entry["dtype"] == "q4_K") {
      EXPECT_EQ(entry["num_tensors"], 14);
      EXPECT_EQ(entry["bits_per_weight"], 4.5);
    }
  }
  EXPECT_EQ(mixed, 28885952U);
}

TEST(Describe, DemoModelAsText) {
  const ModelFiles model = demo();
  const std::string summary =
      describe_model_text(model.metadata, model.directory, Detail::kSummary);
  EXPECT_THAT(summary, HasSubstr("Shoal Demo 36M (qwen35moe), 36,384,816 parameters"));
  EXPECT_THAT(summary, HasSubstr("routed_expert"));
  EXPECT_THAT(summary, ::testing::Not(HasSubstr("blk.0.ssm_a")));
  EXPECT_THAT(describe_model_text(model.metadata, model.directory, Detail::kTensors),
              HasSubstr("blk.0.ssm_a"));
}

// What cannot be run can still be looked at, and hostile text stays text.
TEST(Describe, OtherArchitecturesAndHostileText) {
  GgufFile file = tiny_container();
  file.string("general.name", "\x1b[2J\xff");
  file.f32("n", std::numeric_limits<float>::quiet_NaN());
  const std::string bytes = file.bytes();
  std::vector<ShardHeader> headers;
  headers.push_back(parse_shard(as_file(bytes), "f"));
  const ParsedModel model = join_shards(std::move(headers));
  const nlohmann::ordered_json json = describe_model(model.metadata, model.directory);
  EXPECT_EQ(json["runnable"], false);
  EXPECT_THAT(json["refusal"].get<std::string>(), HasSubstr("architecture 'any'"));
  EXPECT_EQ(json["name"], "\\x1b[2J\\xff");
  EXPECT_NO_THROW(json.dump());
  EXPECT_THAT(describe_model_text(model.metadata, model.directory, Detail::kTensors),
              HasSubstr("cannot be run"));
}

}  // namespace
}  // namespace shoal::loader::testing
