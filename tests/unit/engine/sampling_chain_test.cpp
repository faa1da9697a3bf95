// The sampler's chain inside the engine: the same draws on any rank grid, in any company and across
// a pause, though penalties look back; log-probabilities against whole rows of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/unit/engine/loopback_cluster.h"

namespace shoal::engine {
namespace {

const std::string kModel = SHOAL_TEST_MODELS "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf";

// Prompts of 9 to 51 tokens; every step of the chain acts on some request. Requests of one kind
// differ in the seed.
std::vector<TestRequest> requests_of_all_kinds() {
  std::vector<TestRequest> out;
  for (int i = 0; i < 8; ++i) {
    TestRequest request{.prompt = {}, .max_tokens = 72};
    for (int t = 0; t < 9 + 6 * i; ++t) request.prompt.push_back((t * 31 + i * 977) % 8192);
    plan::SamplingParams& sampling = request.sampling;
    sampling = {.temperature = i == 0 ? 0.0f : 0.9f, .seed = 70u + i};
    if (i % 4 == 0 || i == 7) sampling.repetition_penalty = 1.3f;
    if (i % 4 == 1 || i == 7) sampling.frequency_penalty = 0.7f;
    if (i % 4 == 2 || i == 7) sampling.presence_penalty = 1.5f;
    if (i % 4 == 3) sampling.logit_bias = {{100, 8}, {200, -100}};
    if (i > 4) sampling.min_tokens = 20;
    sampling.end_ids = {8192, 8193, 8194};
    sampling.top_k = i % 2 == 0 ? 0 : 50;
    sampling.logprobs = i % 3 - 1;
    out.push_back(std::move(request));
  }
  return out;
}

void expect_same(const std::vector<TestOutput>& outputs, const std::vector<TestOutput>& expected) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    EXPECT_EQ(outputs[i].tokens, expected[i].tokens) << "request " << i;
    for (size_t t = 0; t < outputs[i].samples.size(); ++t) {
      EXPECT_EQ(outputs[i].samples[t].logprob, expected[i].samples[t].logprob);
      EXPECT_EQ(outputs[i].samples[t].top, expected[i].samples[t].top);
    }
  }
}

TEST(SamplingChain, DrawsTheSameOnAnyGridInAnyCompanyAndAcrossPauses) {
  const std::vector<TestRequest> requests = requests_of_all_kinds();
  std::vector<TestOutput> alone;
  {
    LoopbackCluster cluster(kModel, {});
    for (const TestRequest& request : requests) alone.push_back(cluster.run({request})[0]);
  }
  const std::vector<ClusterShape> shapes = {{.ep_per_stage = {3}, .max_batch_tokens = 16},
                                            {.ep_per_stage = {1, 1}},
                                            {.ep_per_stage = {2, 1}, .max_sequences = 3},
                                            {.ep_per_stage = {1}, .num_blocks = 10},
                                            {.ep_per_stage = {1, 1}, .num_blocks = 10}};
  for (const ClusterShape& shape : shapes) {
    SCOPED_TRACE(shape.ep_per_stage.size());
    LoopbackCluster cluster(kModel, shape);
    expect_same(cluster.run(requests), alone);
    if (shape.num_blocks != 0) {
      EXPECT_GT(cluster.scheduler().num_pauses(), 0u);
    }
  }
}

// What each knob is for, seen in a text.
TEST(SamplingChain, KnobsDoWhatTheySay) {
  LoopbackCluster cluster(kModel, {});
  std::vector<int32_t> prompt(20);
  std::iota(prompt.begin(), prompt.end(), 500);
  const auto text = [&](const plan::SamplingParams& sampling) {
    return cluster.run({{.prompt = prompt, .max_tokens = 48, .sampling = sampling}})[0].tokens;
  };
  const auto distinct = [](std::vector<int32_t> tokens) {
    std::sort(tokens.begin(), tokens.end());
    return std::unique(tokens.begin(), tokens.end()) - tokens.begin();
  };
  const std::vector<int32_t> plain = text({});
  plan::SamplingParams penalty;
  penalty.presence_penalty = 2;
  penalty.frequency_penalty = 2;
  EXPECT_GT(distinct(text(penalty)), distinct(plain));
  plan::SamplingParams bias;
  bias.logit_bias = {{1234, 100}};
  EXPECT_EQ(text(bias), std::vector<int32_t>(48, 1234));
  bias.logit_bias = {{plain[0], -100}};
  EXPECT_NE(text(bias)[0], plain[0]);
  plan::SamplingParams patient;
  patient.min_tokens = 5;
  patient.end_ids = {plain[3]};
  const std::vector<int32_t> waited = text(patient);
  EXPECT_TRUE(std::equal(plain.begin(), plain.begin() + 3, waited.begin()));
  EXPECT_EQ(std::count(waited.begin(), waited.begin() + 5, plain[3]),
            std::count(plain.begin(), plain.begin() + 3, plain[3]));
}

// Scores of the prompt, the sample's log-probability and the likeliest ids are cut out of the whole
// rows that kFullLogits gives.
TEST(SamplingChain, LogProbabilitiesAreThoseOfTheWholeRow) {
  LoopbackCluster cluster(kModel, {.max_batch_tokens = 16});
  TestRequest request{.prompt = {}, .max_tokens = 1, .score = plan::Score::kFullLogits};
  for (int t = 0; t < 40; ++t) request.prompt.push_back((t * 131) % 8192);
  const TestOutput whole = cluster.run({request})[0];
  request.score = plan::Score::kChunk;
  request.sampling.logprobs = 3;
  const TestOutput told = cluster.run({request})[0];

  ASSERT_EQ(told.scores.size(), 39u);
  for (size_t i = 0; i < told.scores.size(); ++i) {
    const plan::TokenScore& score = told.scores[i];
    const std::vector<float>& row = whole.scores[i].row;
    EXPECT_EQ(score.position, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(score.token, request.prompt[i + 1]);
    EXPECT_EQ(score.logprob, row[static_cast<size_t>(score.token)]);
    ASSERT_EQ(score.top.size(), 3u);
    EXPECT_EQ(score.top[0].logprob, *std::max_element(row.begin(), row.end()));
    for (size_t n = 0; n < 3; ++n) {
      EXPECT_EQ(score.top[n].logprob, row[static_cast<size_t>(score.top[n].token)]);
      EXPECT_EQ(
          std::count_if(
              row.begin(), row.end(), [&](float other) { return other > score.top[n].logprob; }),
          static_cast<int64_t>(n));
    }
    double sum = 0;
    for (const float logprob : row) sum += std::exp(static_cast<double>(logprob));
    // Each of the row's numbers, up to 16 in size, is rounded to f32 once: 2^-21 of a term.
    EXPECT_NEAR(sum, 1, 0x1p-20);
  }
  // Greedy takes the likeliest.
  ASSERT_EQ(told.samples.size(), 1u);
  ASSERT_EQ(told.samples[0].top.size(), 3u);
  EXPECT_EQ(told.samples[0].top[0], (plan::TokenLogprob{told.tokens[0], told.samples[0].logprob}));
}

}  // namespace
}  // namespace shoal::engine
