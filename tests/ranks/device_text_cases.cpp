// Greedy text of the demo model on the ranks of this mpirun as one stage, and as two stages where
// the width allows it: steps of the device (engine/device_step.h), against the goldens where the
// fp32 reference is sure (tests/unit/engine/golden_greedy_test.cpp says how).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "launch/engine/script_source.h"
#include "launch/engine/step_script.h"
#include "loader/io/model_files.h"
#include "runtime/engine/worker.h"
#include "sharding/planner.h"
#include "tests/ranks/device_backend.h"

namespace shoal::transport {
namespace {

constexpr double kSureMargin = 0.1;
const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";

struct Golden {
  std::vector<int32_t> prompt, output;  // as far as it is sure
};

std::vector<Golden> goldens() {
  std::ifstream file(SHOAL_TEST_DATA "/golden/UD-Q4_K_XL.greedy.jsonl");
  std::vector<Golden> out;
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    Golden golden{json["prompt_ids"].get<std::vector<int32_t>>(),
                  json["output_ids"].get<std::vector<int32_t>>()};
    const auto margins = json["margins"].get<std::vector<double>>();
    const auto unsure = std::find_if(
        margins.begin(), margins.end(), [](double margin) { return margin < kSureMargin; });
    golden.output.resize(
        std::min<size_t>(static_cast<size_t>(unsure - margins.begin()), golden.output.size()));
    out.push_back(std::move(golden));
  }
  return out;
}

void expect_goldens(const std::vector<int>& ep_per_stage) {
  std::vector<Golden> cases = goldens();
  ASSERT_EQ(cases.size(), 12u);
  // Scalar code of four ranks on a few cores: some of it.
  const bool all = test_backend() == Backend::kCuda;
  if (!all) cases.resize(3);
  const int64_t num_tokens = all ? 32 : 8;
  const loader::ModelFiles files = loader::open_model(kModel);
  const auto config = loader::parse_model_config(files.metadata, files.directory);
  auto planned = sharding::plan_shards(files.directory,
                                       config,
                                       {.ep_per_stage = ep_per_stage,
                                        .backend = test_backend(),
                                        .context = 512,
                                        .max_sequences = static_cast<int>(cases.size()),
                                        .max_batch_tokens = 48,
                                        .cache_memory = 0});
  ASSERT_TRUE(std::holds_alternative<sharding::ShardPlan>(planned));
  const auto& shards = std::get<sharding::ShardPlan>(planned);
  std::vector<launch::ScriptSequence> sequences;
  for (const Golden& golden : cases)
    sequences.push_back({.prompt = golden.prompt, .num_generated = num_tokens});
  std::map<plan::SequenceId, std::vector<int32_t>> texts;
  launch::ScriptSource source({.epoch = 1,
                               .model_path = kModel,
                               .model_fingerprint = files.directory.fingerprint(),
                               .plan = shards,
                               .num_threads = 1},
                              launch::make_script(shards, sequences, 4),
                              [&](const plan::StepResult& result) {
                                for (const plan::TokenScore& score : result.tokens)
                                  if (score.sampled) texts[score.id].push_back(score.token);
                              });
  engine::run_worker(source, world_comm(), {.epoch = 1, .build = "test"});
  // A rank that holds the last stage of a sequence has seen its tokens.
  for (const auto& [id, text] : texts) {
    ASSERT_EQ(text.size(), static_cast<size_t>(num_tokens)) << "sequence " << id;
    std::vector<int32_t> want = cases[static_cast<size_t>(id - 1)].output;
    want.resize(std::min(want.size(), static_cast<size_t>(num_tokens)));
    EXPECT_EQ(
        std::vector<int32_t>(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(want.size())),
        want)
        << "sequence " << id;
  }
}

TEST(DeviceText, OneStageEqualsTheGoldens) { expect_goldens({world_comm().size()}); }

TEST(DeviceText, TwoStagesEqualTheGoldens) {
  const int size = world_comm().size();
  if (size < 2) GTEST_SKIP() << "one rank has no two stages";
  expect_goldens({size - size / 2, size / 2});
}

}  // namespace
}  // namespace shoal::transport
