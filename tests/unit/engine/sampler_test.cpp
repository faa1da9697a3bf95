// Each step of the chain against its formula: 100,000 draws on fixed logits, held against
// probabilities that are computed here in double, by Pearson's chi-square.
#include "runtime/engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace shoal::engine {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f, 0.0f};
constexpr int kDraws = 100'000;

using Weights = std::map<int32_t, double>;  // by id, in any unit

// The softmax numerators of these logits at a temperature; ids that are not named have none.
Weights weights(const std::map<int32_t, double>& logits, double temperature = 1) {
  Weights out;
  for (const auto& [id, logit] : logits) out[id] = std::exp(logit / temperature);
  return out;
}

// 99.99 % of honest samplers stay below these, by degrees of freedom 1, 2, ... (chi-square tables).
constexpr double kLimits[] = {15.1, 18.4, 21.1, 23.5, 25.7};

void expect_draws(const plan::SamplingParams& params,
                  const Weights& expected,
                  SamplerInput input = {}) {
  input.logits = kLogits;
  std::map<int32_t, int> seen;
  for (input.position = 0; input.position < kDraws; ++input.position)
    ++seen[sample_token(input, params)];
  double total = 0;
  for (const auto& [id, weight] : expected) total += weight;
  for (const auto& [id, count] : seen)
    EXPECT_TRUE(expected.count(id) != 0) << "id " << id << ", " << count << " times";
  double statistic = 0;
  for (const auto& [id, weight] : expected) {
    const double want = weight / total * kDraws;
    statistic += (seen[id] - want) * (seen[id] - want) / want;
  }
  EXPECT_LT(statistic, kLimits[expected.size() - 2]);
}

// Token 1 in the prompt; 2 generated three times, 3 once.
TokenHistory some_history() {
  TokenHistory history;
  history.add(1, false);
  for (const int32_t token : {2, 3, 2, 2}) history.add(token, true);
  return history;
}

int32_t greedy(plan::SamplingParams params, SamplerInput input = {}) {
  input.logits = kLogits;
  params.temperature = 0;
  return sample_token(input, params);
}

TEST(Sampler, GreedyTakesTheLowestOfEqualLogits) {
  EXPECT_EQ(greedy({}), 1);
  const std::vector<int32_t> masked = {1};
  EXPECT_EQ(greedy({}, {.masked = masked}), 3);
  EXPECT_EQ(sample_token({.logits = kLogits, .position = 5}, {.temperature = 2, .top_k = 1}), 1);
}

TEST(Sampler, DrawsFollowTheSoftmax) {
  expect_draws({.temperature = 0.7f, .seed = 1},
               weights({{0, 1}, {1, 3}, {2, 2}, {3, 3}, {4, -1}, {5, 0}}, 0.7f));
}

TEST(Sampler, TopKKeepsTheLargest) {
  expect_draws({.temperature = 1, .top_k = 3, .seed = 2}, weights({{1, 3}, {2, 2}, {3, 3}}));
}

TEST(Sampler, TopPKeepsTheSmallestPrefixThatReachesIt) {
  // Probabilities 0.38, 0.38, 0.14, ...: 0.7 is reached by two.
  expect_draws({.temperature = 1, .top_p = 0.7f, .seed = 3}, weights({{1, 3}, {3, 3}}));
}

TEST(Sampler, MinPDropsWhatIsFarBelowTheBest) {
  // exp(-1) = 0.368 of the best stays at 0.3, exp(-2) goes.
  expect_draws({.temperature = 1, .min_p = 0.3f, .seed = 4}, weights({{1, 3}, {2, 2}, {3, 3}}));
}

// Longer than what is sorted at first: of 2,000 equal ids top-p keeps the lower half. 10,000 draws
// give each of the 1,000 ten on average, deviation 3.2; six of them up is beyond any honest
// sampler.
TEST(Sampler, TopPOfAFlatRowKeepsTheLowestIds) {
  const std::vector<float> flat(2000, 0.0f);
  std::map<int32_t, int> seen;
  for (int position = 0; position < 10'000; ++position)
    ++seen[sample_token({.logits = flat, .position = position},
                        {.temperature = 1, .top_p = 0.49999f, .seed = 12})];
  EXPECT_LE(seen.rbegin()->first, 999);
  EXPECT_GT(seen.size(), 990u);  // exp(-10) of 1,000 are missed: none, as a rule
  for (const auto& [id, count] : seen) EXPECT_LT(count, 10 + 6 * 3.2) << id;
}

TEST(Sampler, BiasIsAddedToTheLogit) {
  plan::SamplingParams params{.temperature = 1, .seed = 5};
  params.logit_bias = {{0, 1.5f}, {1, -2}, {3, -100}, {6, 9}, {-1, 9}};
  expect_draws(params, weights({{0, 2.5}, {1, 1}, {2, 2}, {4, -1}, {5, 0}}));
}

// Once, however often the token was generated; the prompt does not count.
TEST(Sampler, PresencePenaltyFollowsItsFormula) {
  const TokenHistory history = some_history();
  plan::SamplingParams params{.temperature = 1, .seed = 6};
  params.presence_penalty = 0.8f;
  expect_draws(params,
               weights({{0, 1}, {1, 3}, {2, 2 - 0.8}, {3, 3 - 0.8}, {4, -1}, {5, 0}}),
               {.history = &history});
}

TEST(Sampler, FrequencyPenaltyFollowsItsFormula) {
  const TokenHistory history = some_history();
  plan::SamplingParams params{.temperature = 1, .seed = 7};
  params.frequency_penalty = 0.4f;
  expect_draws(params,
               weights({{0, 1}, {1, 3}, {2, 2 - 3 * 0.4}, {3, 3 - 0.4}, {4, -1}, {5, 0}}),
               {.history = &history});
}

// The prompt counts too; a negative logit goes down, not up.
TEST(Sampler, RepetitionPenaltyFollowsItsFormula) {
  TokenHistory history = some_history();
  history.add(4, false);
  plan::SamplingParams params{.temperature = 1, .seed = 8};
  params.repetition_penalty = 1.5f;
  expect_draws(params,
               weights({{0, 1}, {1, 3 / 1.5}, {2, 2 / 1.5}, {3, 3 / 1.5}, {4, -1 * 1.5}, {5, 0}}),
               {.history = &history});
}

// Bias first, then repetition, then frequency and presence, then what may not be, then the cuts.
TEST(Sampler, TheChainRunsInTheDocumentedOrder) {
  const TokenHistory history = some_history();
  const std::vector<int32_t> masked = {0};
  plan::SamplingParams params{.temperature = 0.5f, .top_k = 3, .seed = 9};
  params.logit_bias = {{1, -1}, {5, 2}};
  params.repetition_penalty = 2;
  params.frequency_penalty = 0.5f;
  params.presence_penalty = -1;
  // id 1: (3 - 1) / 2 = 1; id 2: 2 / 2 - 1.5 + 1 = 0.5; id 3: 3 / 2 - 0.5 + 1 = 2; id 5: 2.
  expect_draws(
      params, weights({{1, 1}, {3, 2}, {5, 2}}, 0.5), {.history = &history, .masked = masked});
  params.temperature = 0;
  EXPECT_EQ(greedy(params, {.history = &history, .masked = masked}), 3);
}

TEST(Sampler, EndIdsWaitForMinTokens) {
  plan::SamplingParams params{.temperature = 1, .seed = 10};
  params.min_tokens = 4;
  params.end_ids = {1, 3};
  expect_draws(params, weights({{0, 1}, {2, 2}, {4, -1}, {5, 0}}), {.num_generated = 3});
  expect_draws(
      params, weights({{0, 1}, {1, 3}, {2, 2}, {3, 3}, {4, -1}, {5, 0}}), {.num_generated = 4});
  EXPECT_EQ(greedy(params, {.num_generated = 3}), 2);
  EXPECT_EQ(greedy(params, {.num_generated = 4}), 1);
}

TEST(Sampler, OnlyAllowedIdsAreDrawn) {
  const std::vector<uint32_t> allowed = {0b010101};
  expect_draws(
      {.temperature = 1, .seed = 11}, weights({{0, 1}, {2, 2}, {4, -1}}), {.allowed = allowed});
  EXPECT_EQ(greedy({}, {.allowed = allowed}), 2);
}

// A grammar that is at its end leaves nothing but end ids.
TEST(Sampler, MinTokensGivesWayWhereNothingElseIsLeft) {
  const std::vector<uint32_t> allowed = {0b001000};
  plan::SamplingParams params{.temperature = 1};
  params.min_tokens = 10;
  params.end_ids = {3};
  EXPECT_EQ(greedy(params, {.allowed = allowed}), 3);
  EXPECT_EQ(sample_token({.logits = kLogits, .allowed = allowed}, params), 3);
}

TEST(Sampler, TheSameSeedAndPositionDrawTheSame) {
  const plan::SamplingParams params{.temperature = 1, .seed = 9};
  for (int64_t position = 0; position < 100; ++position) {
    const SamplerInput input{.logits = kLogits, .position = position};
    EXPECT_EQ(sample_token(input, params), sample_token(input, params));
  }
}

// Known answer of the Random123 distribution for philox4x32-10 with counter and key 0:
// 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
TEST(Sampler, GeneratorGivesItsPublishedValue) {
  EXPECT_EQ(uniform_at(0, 0), static_cast<float>(0x6627e8d5u >> 8) * 0x1p-24f);
}

TEST(Sampler, LogSumExpIsThatOfTheFormula) {
  double sum = 0;
  for (const float logit : kLogits) sum += std::exp(static_cast<double>(logit));
  EXPECT_NEAR(log_sum_exp(kLogits), std::log(sum), 1e-12);  // a few double roundings
  const std::vector<float> huge = {1e4f, 1e4f};
  EXPECT_NEAR(log_sum_exp(huge), 1e4 + std::log(2.0), 1e-9);
}

TEST(Sampler, LikeliestAreSortedWithTiesByTheLowestId) {
  const double log_sum = log_sum_exp(kLogits);
  const auto top = likeliest(kLogits, log_sum, 3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0], (plan::TokenLogprob{1, static_cast<float>(3 - log_sum)}));
  EXPECT_EQ(top[1], (plan::TokenLogprob{3, static_cast<float>(3 - log_sum)}));
  EXPECT_EQ(top[2], (plan::TokenLogprob{2, static_cast<float>(2 - log_sum)}));
  EXPECT_EQ(likeliest(kLogits, log_sum, 100).size(), kLogits.size());
  EXPECT_TRUE(likeliest(kLogits, log_sum, 0).empty());
}

}  // namespace
}  // namespace shoal::engine
