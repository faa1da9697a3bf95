// A coordinator of the demo model with ranks that answer by a formula.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "loader/io/model_files.h"
#include "runtime/coordinator/coordinator.h"
#include "sharding/planner.h"
#include "tests/unit/coordinator/fake_ranks.h"

namespace shoal::coordinator {

inline const std::string kModel =
    SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";
inline constexpr int64_t kContext = 256;

inline std::shared_ptr<const ServedModel> demo_model() {
  static const std::shared_ptr<const ServedModel> model = [] {
    loader::ModelFiles files = loader::open_model(kModel);
    return make_served_model(files.metadata, std::move(files.directory), "");
  }();
  return model;
}

inline CoordinatorConfig demo_config(std::optional<uint64_t> cache_memory = 0) {
  const auto model = demo_model();
  CoordinatorConfig config;
  config.plan =
      std::get<sharding::ShardPlan>(sharding::plan_shards(model->directory,
                                                          model->config,
                                                          {.ep_per_stage = {2},
                                                           .context = kContext,
                                                           .max_sequences = 2,
                                                           .cache_memory = cache_memory}));
  config.max_sequences = 2;
  config.max_queue = 2;
  config.job_token = "secret";
  config.build = "test";
  config.heartbeat_timeout = std::chrono::seconds(60);  // fakes send no heartbeats
  return config;
}

class CoordinatorFixture : public testing::Test {
 protected:
  ~CoordinatorFixture() override { ranks_.stop(); }

  void begin(CoordinatorConfig config = demo_config()) {
    coordinator_ = std::make_unique<Coordinator>(std::move(config), demo_model());
    ranks_.attach(*coordinator_);
    coordinator_->start(ranks_);
    ranks_.start_job();
    ASSERT_TRUE(reaches(Phase::kServing));
  }

  bool reaches(Phase phase) {
    for (int i = 0; i < 1000; ++i) {
      if (coordinator_->status().phase == phase) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  static GenerationRequest request(int64_t max_tokens, std::vector<int32_t> prompt = {1, 2, 3}) {
    GenerationRequest out;
    out.prompt_ids = std::move(prompt);
    out.max_tokens = max_tokens;
    return out;
  }

  std::shared_ptr<CollectingSink> submit(GenerationRequest request) {
    auto sink = std::make_shared<CollectingSink>();
    EXPECT_FALSE(coordinator_->submit(std::move(request), sink));
    return sink;
  }

  static std::vector<int32_t> expected(int64_t prompt_len, int64_t count) {
    std::vector<int32_t> out;
    for (int64_t i = 0; i < count; ++i) out.push_back(fake_token(prompt_len + i));
    return out;
  }

  FakeRanks ranks_{2, "secret", "test"};
  std::unique_ptr<Coordinator> coordinator_;
};

}  // namespace shoal::coordinator
