#include "launch/kl_divergence.h"

#include <gtest/gtest.h>

#include <cmath>

namespace shoal::launch {
namespace {

using Row = std::vector<float>;

float log_of(double p) { return static_cast<float>(std::log(p)); }

TEST(KlDivergence, OfTwoCoinsIsTheFormula) {
  const Row fair = {log_of(0.5), log_of(0.5)};
  const Row bent = {log_of(0.9), log_of(0.1)};
  // 0.5 ln(0.5 / 0.9) + 0.5 ln(0.5 / 0.1); the inputs are floats.
  EXPECT_NEAR(kl_divergence(fair, bent), 0.510826, 1e-6);
  EXPECT_NEAR(kl_divergence(bent, fair), 0.368064, 1e-6);
}

TEST(KlDivergence, OfARowWithItselfIsZeroAlsoWhenShifted) {
  const Row row = {-1, -2, -30};
  Row shifted = row;
  for (float& x : shifted) x += 3;
  EXPECT_EQ(kl_divergence(row, row), 0);
  EXPECT_NEAR(kl_divergence(row, shifted), 0, 1e-12);
}

TEST(KlDivergence, ClipsBothSixteenBelowTheTop) {
  EXPECT_EQ(kl_divergence(Row{0, -16}, Row{0, -40}), 0);
}

TEST(KlSummary, CountsTheSameTopAndTheBasesPerplexity) {
  KlSummary summary;
  const Row a = {log_of(0.75), log_of(0.25)};
  const Row b = {log_of(0.25), log_of(0.75)};
  summary.add(a, a, 0);
  summary.add(a, a, 1);
  summary.add(a, a, 0);
  summary.add(a, b, 0);
  const KlSummary::Result result = summary.result();
  EXPECT_EQ(result.same_top, 0.75);
  EXPECT_EQ(result.median, 0);
  EXPECT_NEAR(result.max, 0.5 * std::log(3), 1e-6);  // 0.75 ln 3 - 0.25 ln 3
  EXPECT_NEAR(result.mean, result.max / 4, 1e-9);
  EXPECT_NEAR(std::log(result.base_perplexity), -(3 * std::log(0.75) + std::log(0.25)) / 4, 1e-6);
}

}  // namespace
}  // namespace shoal::launch
