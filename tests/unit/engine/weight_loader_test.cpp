// Second-level scales from a file to the views that the model multiplies with. Every number in the
// file is made up here.
#include "runtime/engine/weight_loader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "runtime/base/error.h"
#include "sharding/planner.h"
#include "tests/unit/loader/scratch_folder.h"
#include "tests/unit/loader/tiny_model.h"

namespace shoal::engine {
namespace {

using loader::testing::GgufFile;
using loader::testing::ScratchFolder;

// The tiny model (five experts) with these tensors more, as a file.
std::string write_model(const ScratchFolder& folder,
                        const std::vector<std::pair<std::string, std::vector<float>>>& extra) {
  GgufFile file = loader::testing::tiny_model();
  for (const auto& [name, values] : extra)
    file.tensors.push_back({name, {static_cast<int64_t>(values.size())}});
  std::string bytes = file.bytes();
  const loader::ModelFiles plain = loader::open_model(folder.write("plain.gguf", bytes));
  for (const auto& [name, values] : extra)
    std::memcpy(bytes.data() + plain.directory.at(name).offset,
                values.data(),
                values.size() * sizeof(float));
  return folder.write("scaled.gguf", bytes);
}

struct Loaded {
  explicit Loaded(const std::string& path, std::vector<int> ep_per_stage, int rank)
      : files(loader::open_model(path)),
        config(loader::parse_model_config(files.metadata, files.directory)),
        plan(std::get<sharding::ShardPlan>(sharding::plan_shards(
            files.directory, config, {.ep_per_stage = std::move(ep_per_stage)}))),
        reader(files, loader::ReadMode::kMapped),
        loaded(load_weights({files, config, plan, rank}, reader, [](uint64_t) {})) {}

  loader::ModelFiles files;
  loader::ModelConfig config;
  sharding::ShardPlan plan;
  loader::WeightReader reader;
  std::unique_ptr<LoadedWeights> loaded;
};

TEST(WeightLoader, GivesEachMatrixAndExpertItsScale) {
  const ScratchFolder folder;
  const std::string path = write_model(folder,
                                       {{"blk.0.ssm_out.scale", {0.5f}},
                                        {"blk.0.ssm_out.input_scale", {9.0f}},
                                        {"blk.1.attn_q.scale", {0.25f}},
                                        {"blk.1.ffn_up_shexp.scale", {3.0f}},
                                        {"blk.1.ffn_down_exps.scale", {1, 2, 3, 4, 5}},
                                        {"output.scale", {0.125f}}});
  // Two ranks: experts 0 to 2 and 3, 4.
  const std::vector<std::vector<float>> down = {{1, 2, 3}, {4, 5}};
  for (int rank = 0; rank < 2; ++rank) {
    const Loaded model(path, {2}, rank);
    const auto& layers = model.loaded->weights.layers;
    EXPECT_EQ(layers[0].delta.out.scale, 0.5f);
    EXPECT_EQ(layers[0].delta.qkv.scale, 1.0f);
    EXPECT_EQ(layers[1].attention.q.scale, 0.25f);
    EXPECT_EQ(layers[1].attention.k.scale, 1.0f);
    EXPECT_EQ(layers[1].moe.shared.up.scale, 3.0f);
    EXPECT_EQ(model.loaded->weights.lm_head.scale, 0.125f);
    const auto& expected = down[static_cast<size_t>(rank)];
    ASSERT_EQ(layers[1].moe.experts.size(), expected.size());
    for (size_t e = 0; e < expected.size(); ++e) {
      EXPECT_EQ(layers[1].moe.experts[e].down.scale, expected[e]);
      EXPECT_EQ(layers[1].moe.experts[e].up.scale, 1.0f);
      EXPECT_EQ(layers[0].moe.experts[e].down.scale, 1.0f);
    }
  }
  // Two stages: the head's scale goes where the head goes.
  EXPECT_EQ(Loaded(path, {1, 1}, 1).loaded->weights.lm_head.scale, 0.125f);
}

TEST(WeightLoader, RefusesScalesThatAreNoNumbers) {
  const ScratchFolder folder;
  const std::string path =
      write_model(folder, {{"blk.1.attn_q.scale", {std::numeric_limits<float>::quiet_NaN()}}});
  EXPECT_THROW(Loaded(path, {1}, 0), ModelFileError);
}

TEST(WeightLoader, ValuesThatAreNoNumbersAreRefusedByTheRankThatOwnsThem) {
  const ScratchFolder folder;
  GgufFile file = loader::testing::tiny_model();
  std::string bytes = file.bytes();
  const loader::ModelFiles plain = loader::open_model(folder.write("plain.gguf", bytes));
  const loader::TensorInfo& experts = plain.directory.at("blk.1.ffn_down_exps.weight");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  // Expert 4 of five, 24 values each; the second of two ranks has experts 3 and 4.
  std::memcpy(bytes.data() + experts.offset + (4 * 24 + 5) * sizeof nan, &nan, sizeof nan);
  const std::string path = folder.write("nan.gguf", bytes);
  const Loaded first(path, {2}, 0);
  try {
    const Loaded second(path, {2}, 1);
    ADD_FAILURE() << "loaded";
  } catch (const ModelFileError& error) {
    EXPECT_EQ(std::string(error.what()),
              "error[GGUF-73]: " + path + ": byte " +
                  std::to_string(experts.offset + (4 * 24 + 5) * 4) +
                  ": tensor 'blk.1.ffn_down_exps.weight' value 101 is NaN");
  }
}

}  // namespace
}  // namespace shoal::engine
