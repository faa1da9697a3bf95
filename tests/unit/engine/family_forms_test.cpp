// The forms in which converters write one model: each gives the text of the form it stands for.
// All are made from the demo model's tensors.
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/engine/loopback_cluster.h"
#include "tests/unit/loader/gguf_writer.h"
#include "tests/unit/loader/scratch_folder.h"

namespace shoal::engine {
namespace {

using loader::testing::array_of;
using loader::testing::GgufFile;
using loader::testing::raw;
using loader::testing::ScratchFolder;
using loader::testing::TensorSpec;

constexpr int kLayers = 8;
constexpr uint64_t kExperts = 16;

// The demo model as one file in memory.
GgufFile demo() {
  const loader::ModelFiles files =
      loader::open_model(SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf");
  GgufFile out;
  for (const loader::MetadataEntry& entry : files.metadata.entries()) {
    if (entry.key.starts_with("split.")) continue;
    std::string value = entry.payload;
    if (entry.type == loader::ValueType::kString) value = loader::testing::text(value);
    if (entry.type == loader::ValueType::kArray)
      value = array_of(static_cast<uint32_t>(entry.element), entry.count, value);
    out.put(entry.key, static_cast<uint32_t>(entry.type), value);
  }
  for (const loader::TensorInfo& tensor : files.directory.tensors()) {
    const auto bytes =
        files.files[static_cast<size_t>(tensor.shard)].bytes().subspan(tensor.offset, tensor.bytes);
    TensorSpec spec{tensor.name, {}, static_cast<uint32_t>(tensor.dtype), tensor.bytes};
    for (const int64_t ne : tensor.ne)
      if (ne > 1 || spec.ne.empty()) spec.ne.push_back(ne);
    spec.data.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    out.tensors.push_back(std::move(spec));
  }
  return out;
}

// Tokens and their log-probabilities, which equal logits give and nothing else.
std::vector<std::pair<int32_t, float>> greedy(const GgufFile& file, std::vector<int> ranks = {1}) {
  const ScratchFolder folder;
  LoopbackCluster cluster(folder.write("m.gguf", file.bytes()),
                          {.ep_per_stage = std::move(ranks), .context = 128});
  TestRequest request{.prompt = {5, 80, 300, 77, 1200, 9}, .max_tokens = 12};
  request.sampling.logprobs = 0;
  std::vector<std::pair<int32_t, float>> out;
  const std::vector<TestOutput> outputs = cluster.run({request});
  for (const plan::TokenScore& score : outputs.front().samples)
    out.emplace_back(score.token, score.logprob);
  return out;
}

class FamilyForms : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { expected_ = greedy(demo()); }
  static std::vector<std::pair<int32_t, float>> expected_;
};
std::vector<std::pair<int32_t, float>> FamilyForms::expected_;

// Each expert's gate rows and then its up rows, in one tensor.
TEST_F(FamilyForms, GateAndUpInOneTensor) {
  GgufFile file = demo();
  for (int layer = 0; layer < kLayers; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".ffn_";
    const TensorSpec gate = file.tensor(prefix + "gate_exps.weight");
    const TensorSpec up = file.tensor(prefix + "up_exps.weight");
    ASSERT_EQ(gate.type, up.type);
    TensorSpec both{prefix + "gate_up_exps.weight",
                    {gate.ne[0], 2 * gate.ne[1], gate.ne[2]},
                    gate.type,
                    2 * gate.bytes};
    const size_t each = gate.bytes / kExperts;
    for (size_t e = 0; e < kExperts; ++e)
      both.data += gate.data.substr(e * each, each) + up.data.substr(e * each, each);
    file.erase_tensor(gate.name);
    file.erase_tensor(up.name);
    file.tensors.push_back(std::move(both));
  }
  EXPECT_EQ(greedy(file), expected_);
  EXPECT_EQ(greedy(file, {3}), expected_);
}

TEST_F(FamilyForms, TiedEmbeddings) {
  GgufFile copied = demo();
  TensorSpec& head = copied.tensor("output.weight");
  const std::string name = head.name;
  head = copied.tensor("token_embd.weight");
  head.name = name;
  GgufFile tied = copied;
  tied.erase_tensor("output.weight");
  const auto text = greedy(copied);
  EXPECT_NE(text, expected_);
  EXPECT_EQ(greedy(tied), text);
  EXPECT_EQ(greedy(tied, {1, 1}), text);  // the last stage reads it too
}

TEST_F(FamilyForms, PredictionBlockIsLeftOut) {
  GgufFile file = demo();
  file.u32("qwen35moe.block_count", kLayers + 1);
  file.u32("qwen35moe.nextn_predict_layers", 1);
  std::string recurrent;
  for (int layer = 0; layer <= kLayers; ++layer)
    recurrent += layer % 4 == 3 || layer == 8 ? '\0' : '\1';
  file.put("qwen35moe.attention.recurrent_layers", 9, array_of(7, kLayers + 1, recurrent));
  for (const TensorSpec& tensor : demo().tensors)
    if (tensor.name.starts_with("blk.7.")) {
      TensorSpec more = tensor;
      more.name[4] = '8';
      file.tensors.push_back(std::move(more));
    }
  file.tensors.push_back({"blk.8.nextn.eh_proj.weight", {512, 256}});
  EXPECT_EQ(greedy(file), expected_);
  EXPECT_EQ(greedy(file, {2, 1}), expected_);
}

TEST_F(FamilyForms, RecurrentLayersAndCountsOfEachLayer) {
  GgufFile file = demo();
  file.u32("qwen35moe.full_attention_interval", 3);  // wrong, and overruled
  std::string recurrent, heads, kv_heads;
  for (int layer = 0; layer < kLayers; ++layer) {
    const bool attention = layer % 4 == 3;
    recurrent += attention ? '\0' : '\1';
    heads += raw(attention ? 4 : 0);
    kv_heads += raw(attention ? 2 : 0);
  }
  file.put("qwen35moe.attention.recurrent_layers", 9, array_of(7, kLayers, recurrent));
  file.put("qwen35moe.attention.head_count", 9, array_of(4, kLayers, heads));
  file.put("qwen35moe.attention.head_count_kv", 9, array_of(5, kLayers, kv_heads));
  EXPECT_EQ(greedy(file), expected_);
}

TEST_F(FamilyForms, VersionTwo) {
  GgufFile file = demo();
  file.version = 2;
  EXPECT_EQ(greedy(file), expected_);
}

}  // namespace
}  // namespace shoal::engine
