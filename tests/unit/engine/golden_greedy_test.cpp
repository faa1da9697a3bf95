// Greedy text of the demo model against the fp32 reference, on one rank and on rank grids. The
// reference's text counts up to the first step whose two best log-probabilities are less than 0.1
// nats apart: below that, rounding decides (int8 activations per 32 pass all steps above it).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/engine/loopback_cluster.h"

namespace shoal::engine {
namespace {

constexpr double kSureMargin = 0.1;
const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";

struct Golden {
  std::vector<int32_t> prompt, output;
  size_t sure = 0;  // leading tokens that must be equal
};

std::vector<Golden> goldens() {
  std::ifstream file(SHOAL_TEST_DATA "/golden/UD-Q4_K_XL.greedy.jsonl");
  std::vector<Golden> out;
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    Golden golden;
    golden.prompt = json["prompt_ids"].get<std::vector<int32_t>>();
    golden.output = json["output_ids"].get<std::vector<int32_t>>();
    const auto margins = json["margins"].get<std::vector<double>>();
    const auto unsure = std::find_if(
        margins.begin(), margins.end(), [](double margin) { return margin < kSureMargin; });
    golden.sure =
        std::min<size_t>(static_cast<size_t>(unsure - margins.begin()), golden.output.size());
    out.push_back(std::move(golden));
  }
  return out;
}

std::vector<TestRequest> requests_for(const std::vector<Golden>& cases, int64_t max_tokens) {
  std::vector<TestRequest> requests;
  for (const Golden& golden : cases)
    requests.push_back({.prompt = golden.prompt, .max_tokens = max_tokens});
  return requests;
}

std::vector<std::vector<int32_t>> texts(const std::vector<TestOutput>& outputs) {
  std::vector<std::vector<int32_t>> out;
  for (const TestOutput& output : outputs) out.push_back(output.tokens);
  return out;
}

TEST(GoldenGreedy, OneRankEqualsTheReferenceWhereItIsSure) {
  const std::vector<Golden> cases = goldens();
  ASSERT_EQ(cases.size(), 12u);
  LoopbackCluster cluster(kModel, {});
  for (const Golden& golden : cases) {
    const auto output = cluster.run({{.prompt = golden.prompt, .max_tokens = 64}});
    const std::vector<int32_t> want(golden.output.begin(),
                                    golden.output.begin() + static_cast<int64_t>(golden.sure));
    std::vector<int32_t> got = output[0].tokens;
    got.resize(golden.sure);
    EXPECT_EQ(got, want);
  }
}

TEST(GoldenGreedy, SameTextOnAnyGridInAnyCompanyOnAnyThreads) {
  const std::vector<Golden> cases = goldens();
  std::vector<std::vector<int32_t>> alone;
  {
    LoopbackCluster cluster(kModel, {});
    for (const Golden& golden : cases)
      alone.push_back(cluster.run({{.prompt = golden.prompt, .max_tokens = 32}})[0].tokens);
  }
  const std::vector<ClusterShape> shapes = {{.ep_per_stage = {1}, .num_threads = 2},
                                            {.ep_per_stage = {2}},
                                            {.ep_per_stage = {3}},
                                            {.ep_per_stage = {4}},
                                            {.ep_per_stage = {1, 1, 1}},
                                            {.ep_per_stage = {2, 2}},
                                            {.ep_per_stage = {3, 1}},
                                            {.ep_per_stage = {1}, .max_batch_tokens = 16},
                                            {.ep_per_stage = {1}, .max_sequences = 3},
                                            {.ep_per_stage = {2}, .max_sequences = 3},
                                            {.ep_per_stage = {2}, .max_batch_tokens = 16},
                                            {.ep_per_stage = {2, 1}, .max_sequences = 3}};
  for (const ClusterShape& shape : shapes) {
    LoopbackCluster cluster(kModel, shape);
    EXPECT_EQ(texts(cluster.run(requests_for(cases, 32))), alone)
        << "stages " << shape.ep_per_stage.size() << ", first width " << shape.ep_per_stage[0];
  }
}

TEST(GoldenGreedy, SampledTextDependsOnlyOnTheSeed) {
  const std::vector<Golden> cases = goldens();
  std::vector<TestRequest> requests = requests_for(cases, 24);
  for (size_t i = 0; i < requests.size(); ++i)
    requests[i].sampling = {.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .seed = i};
  LoopbackCluster one(kModel, {});
  LoopbackCluster grid(kModel, {.ep_per_stage = {2, 1}});
  const auto text = texts(one.run(requests));
  EXPECT_EQ(text, texts(grid.run(requests)));
  for (TestRequest& request : requests) request.sampling.seed += 1000;
  EXPECT_NE(text, texts(one.run(requests)));
}

}  // namespace
}  // namespace shoal::engine
