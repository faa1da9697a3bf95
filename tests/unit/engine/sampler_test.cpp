#include "runtime/engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace shoal::engine {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f, 0.0f};

// Softmax in double, the formula that the draws are held against.
std::map<int32_t, double> softmax(const std::vector<int32_t>& ids, double temperature) {
  std::map<int32_t, double> out;
  double sum = 0;
  for (const int32_t id : ids) sum += out[id] = std::exp(kLogits[id] / temperature);
  for (auto& [id, p] : out) p /= sum;
  return out;
}

// Pearson's statistic of draws against expected probabilities. 99.99 % of honest samplers stay
// below 23.5 at 4 degrees of freedom, 25.7 at 5 (chi-square tables).
double chi_square(const plan::SamplingParams& params, const std::map<int32_t, double>& expected) {
  constexpr int kDraws = 100'000;
  std::map<int32_t, int> seen;
  for (int position = 0; position < kDraws; ++position)
    ++seen[sample_token(kLogits, params, position, {})];
  double out = 0;
  for (const auto& [id, count] : seen)
    if (expected.count(id) == 0) return 1e9;
  for (const auto& [id, p] : expected) {
    const double want = p * kDraws;
    out += (seen[id] - want) * (seen[id] - want) / want;
  }
  return out;
}

TEST(Sampler, GreedyTakesTheLowestOfEqualLogits) {
  EXPECT_EQ(sample_token(kLogits, {.temperature = 0}, 5, {}), 1);
  const std::vector<int32_t> masked = {1};
  EXPECT_EQ(sample_token(kLogits, {.temperature = 0}, 5, masked), 3);
  EXPECT_EQ(sample_token(kLogits, {.temperature = 2, .top_k = 1}, 5, {}), 1);
}

TEST(Sampler, DrawsFollowTheSoftmax) {
  EXPECT_LT(chi_square({.temperature = 0.7f, .seed = 1}, softmax({0, 1, 2, 3, 4, 5}, 0.7)), 25.7);
}

TEST(Sampler, TopKKeepsTheLargest) {
  EXPECT_LT(chi_square({.temperature = 1, .top_k = 3, .seed = 2}, softmax({1, 2, 3}, 1)), 23.5);
}

TEST(Sampler, TopPKeepsTheSmallestPrefixThatReachesIt) {
  // Probabilities 0.38, 0.38, 0.14, ...: 0.7 is reached by two.
  EXPECT_LT(chi_square({.temperature = 1, .top_p = 0.7f, .seed = 3}, softmax({1, 3}, 1)), 23.5);
}

TEST(Sampler, MinPDropsWhatIsFarBelowTheBest) {
  // exp(-1) = 0.368 of the best stays at 0.3, exp(-2) goes.
  EXPECT_LT(chi_square({.temperature = 1, .min_p = 0.3f, .seed = 4}, softmax({1, 2, 3}, 1)), 23.5);
}

TEST(Sampler, TheSameSeedAndPositionDrawTheSame) {
  const plan::SamplingParams params{.temperature = 1, .seed = 9};
  for (int64_t position = 0; position < 100; ++position)
    EXPECT_EQ(sample_token(kLogits, params, position, {}),
              sample_token(kLogits, params, position, {}));
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

}  // namespace
}  // namespace shoal::engine
