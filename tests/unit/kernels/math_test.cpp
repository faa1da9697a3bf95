// Bounds are in units of the last place of the exact result, computed in double. They follow from
// the error account in kernels/math.h: exp below 1, sigmoid and SiLU add an addition and a
// division (half a unit each, and exp's own error at most halved by 1 + e^-x plus a binade).
#include "kernels/math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace shoal::kernels {
namespace {

double ulps(float actual, double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  // Subnormals share the smallest unit, 2^-149.
  return std::fabs(actual - exact) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

// Every 997th float of [low, high].
template <class Approximation, class Exact>
double worst_ulps(double low, double high, Approximation approximation, Exact exact) {
  double worst = 0.0;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 997) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (!(x >= low && x <= high)) continue;
    worst = std::max(worst, ulps(approximation(x), exact(static_cast<double>(x))));
  }
  return worst;
}

// Arguments whose results are normal floats.
constexpr double kLow = -87.3;
constexpr double kHigh = 88.7;

TEST(Math, ExpIsWithinOneUlp) {
  EXPECT_LT(worst_ulps(kLow, kHigh, exp_f32, [](double x) { return std::exp(x); }), 1.0);
}

TEST(Math, SigmoidIsWithinThreeUlps) {
  EXPECT_LT(worst_ulps(kLow, kHigh, sigmoid, [](double x) { return 1.0 / (1.0 + std::exp(-x)); }),
            3.0);
}

TEST(Math, SiluIsWithinThreeUlps) {
  // From -80 the product x e^x is still normal.
  EXPECT_LT(worst_ulps(-80.0, kHigh, silu, [](double x) { return x / (1.0 + std::exp(-x)); }), 3.0);
}

TEST(Math, SoftplusIsRoundedOnceBelowTwenty) {
  EXPECT_LE(worst_ulps(-80.0, 20.0, softplus, [](double x) { return std::log1p(std::exp(x)); }),
            0.501);
  EXPECT_EQ(softplus(20.5f), 20.5f);
}

TEST(Math, SaturatesAndKeepsNaN) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(exp_f32(kInfinity), kInfinity);
  EXPECT_EQ(exp_f32(88.73f), kInfinity);
  EXPECT_EQ(exp_f32(-kInfinity), 0.0f);
  EXPECT_EQ(exp_f32(-104.0f), 0.0f);
  EXPECT_EQ(exp_f32(-103.0f), std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(exp_f32(0.0f), 1.0f);
  EXPECT_EQ(exp_f32(-0.0f), 1.0f);
  EXPECT_TRUE(std::isnan(exp_f32(nan)));
  EXPECT_EQ(sigmoid(-kInfinity), 0.0f);
  EXPECT_EQ(sigmoid(kInfinity), 1.0f);
  EXPECT_EQ(sigmoid(0.0f), 0.5f);
  EXPECT_EQ(silu(-200.0f), 0.0f);
  EXPECT_EQ(silu(200.0f), 200.0f);
  EXPECT_TRUE(std::isnan(silu(nan)));
  EXPECT_TRUE(std::isnan(softplus(nan)));
}

}  // namespace
}  // namespace shoal::kernels
