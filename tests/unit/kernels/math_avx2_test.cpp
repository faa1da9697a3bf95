// The vector forms against the scalar ones, bit for bit.
#include "kernels/cpu/math_avx2.h"

#include <gtest/gtest.h>

#include "tests/unit/kernels/twins.h"

namespace shoal::kernels::cpu {
namespace {

class MathAvx2 : public testing::Test {
 protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
      GTEST_SKIP() << "this machine has no AVX2";
  }
};

// Every 1,009th of all floats, NaNs and infinities among them.
template <class Vector, class Scalar>
void expect_equal_over_all_floats(Vector vector, Scalar scalar) {
  for (uint64_t first = 0; first + 8 * 1009 < (uint64_t{1} << 32); first += 8 * 1009) {
    alignas(32) float x[8];
    alignas(32) float y[8];
    for (int i = 0; i < 8; ++i)
      x[i] = std::bit_cast<float>(static_cast<uint32_t>(first + i * 1009));
    _mm256_store_ps(y, vector(_mm256_load_ps(x)));
    for (int i = 0; i < 8; ++i) {
      const float expected = scalar(x[i]);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(y[i])) << x[i];
      } else {
        ASSERT_EQ(std::bit_cast<uint32_t>(expected), std::bit_cast<uint32_t>(y[i])) << x[i];
      }
    }
  }
}

TEST_F(MathAvx2, ExpEqualsScalar) {
  expect_equal_over_all_floats([](__m256 x) { return exp_f32(x); },
                               [](float x) { return exp_f32(x); });
}

TEST_F(MathAvx2, SigmoidEqualsScalar) {
  expect_equal_over_all_floats([](__m256 x) { return sigmoid(x); },
                               [](float x) { return sigmoid(x); });
}

TEST_F(MathAvx2, SiluEqualsScalar) {
  expect_equal_over_all_floats([](__m256 x) { return silu(x); }, [](float x) { return silu(x); });
}

TEST_F(MathAvx2, DotsEqualScalarAtEveryLength) {
  const std::vector<float> a = random_floats(300, 1);
  const std::vector<float> b = random_floats(300, 2);
  for (int count = 0; count <= 300; ++count)
    ASSERT_EQ(kernels::lane_dot(a.data(), b.data(), count), lane_dot(a.data(), b.data(), count));
}

TEST_F(MathAvx2, LargestOfEightIsFoundInEveryLane) {
  for (int at = 0; at < 8; ++at) {
    alignas(32) float x[8] = {-3, -2, -5, -4, -9, -8, -7, -6};
    x[at] = -1;
    EXPECT_EQ(lane_max(_mm256_load_ps(x)), -1.0f);
  }
}

}  // namespace
}  // namespace shoal::kernels::cpu
