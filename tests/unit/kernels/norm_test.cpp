#include <cmath>
#include <tuple>

#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

constexpr float kEpsilon = 1e-6f;
constexpr double kUlp = 0x1p-23;

TEST(RmsNorm, SmallRowByHand) {
  // mean of squares = (9 + 16) / 2 = 12.5; with epsilon 3.5 the root is exactly 4.
  std::vector<float> x = {3, 4};
  const std::vector<float> weight = {2, -1};
  Machine machine(Backend::kReference);
  machine.run(&KernelTable::rms_norm, {matrix(x, 1), weight.data(), 3.5f, matrix(x, 1)});
  EXPECT_EQ(x, (std::vector<float>{1.5f, -1.0f}));
}

TEST(RmsNorm, MatchesDouble) {
  const int64_t cols = 4096;
  std::vector<float> x = random_floats(cols, 3);
  const std::vector<float> weight = random_floats(cols, 4);
  std::vector<float> y(cols);
  Machine machine(Backend::kReference);
  machine.run(&KernelTable::rms_norm, {matrix(x, 1), weight.data(), kEpsilon, matrix(y, 1)});
  double squares = 0.0;
  for (const float value : x) squares += double{value} * value;
  const double scale = 1.0 / std::sqrt(squares / cols + kEpsilon);
  // A lane adds 512 positive terms and the tree three more, each addition within half an ulp of the
  // sum; the root halves that, four more roundings follow.
  const double tolerance = (515 * 0.5 * 0.5 + 4) * kUlp;
  for (int64_t k = 0; k < cols; ++k) {
    const double exact = x[k] * scale * weight[k];
    EXPECT_NEAR(y[k], exact, std::fabs(exact) * tolerance);
  }
}

class RmsNormSizes : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(RmsNormSizes, EqualsReference) {
  const auto [rows, cols] = GetParam();
  const std::vector<float> weight = random_floats(cols, 1);
  std::vector<float> x = random_floats(rows * cols, 2);
  std::vector<float> expected(x.size());
  RmsNormParams params{view_f32(x.data(), rows, cols),
                       weight.data(),
                       kEpsilon,
                       view_f32(expected.data(), rows, cols)};
  Machine(Backend::kReference).run(&KernelTable::rms_norm, params);
  for_each_backend([&](Machine& machine) {
    std::vector<float> actual(x.size());
    params.output = view_f32(actual.data(), rows, cols);
    machine.run(&KernelTable::rms_norm, params);
    expect_same_bits(expected, actual);
    actual = x;
    machine.run(&KernelTable::rms_norm, {params.output, weight.data(), kEpsilon, params.output});
    expect_same_bits(expected, actual);
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         RmsNormSizes,
                         testing::Combine(testing::Values(0, 1, 3, 131),
                                          testing::Values(1, 7, 8, 131, 4096)));

TEST(QkNormRope, RotatesByTheAngleOfThePosition) {
  // One head of 4, rotary 2, base 1: pair (0, 1) turns by `position` radians. The norm is the
  // identity: the mean of squares is 1.
  std::vector<float> heads = {1, 1, 1, 1, 9};
  const std::vector<float> weight = {1, 2, 3, 4};
  std::vector<int32_t> positions = {5};
  Machine(Backend::kReference)
      .run(&KernelTable::qk_norm_rope,
           {matrix(heads, 1), 1, 4, 5, weight.data(), 0.0f, 2, 1.0f, column(positions)});
  // Two roundings (sine or cosine, fma) of values up to 3, and one of the product.
  EXPECT_NEAR(heads[0], std::cos(5.0) - 2 * std::sin(5.0), 3 * 2 * kUlp);
  EXPECT_NEAR(heads[1], 2 * std::cos(5.0) + std::sin(5.0), 3 * 2 * kUlp);
  EXPECT_EQ(heads[2], 3.0f);
  EXPECT_EQ(heads[3], 4.0f);
  EXPECT_EQ(heads[4], 9.0f) << "beyond head_dim nothing is touched";
}

TEST(QkNormRope, ScoresDependOnTheDistanceAlone) {
  const int dim = 256;
  const std::vector<float> ones(dim, 1.0f);
  auto score = [&](int32_t query_position, int32_t key_position) {
    std::vector<float> heads = random_floats(2 * dim, 8);
    std::vector<int32_t> positions = {query_position, key_position};
    Machine(Backend::kReference)
        .run(&KernelTable::qk_norm_rope,
             {matrix(heads, 2), 1, dim, dim, ones.data(), 0.0f, 64, 1e7f, column(positions)});
    double sum = 0.0;
    for (int d = 0; d < dim; ++d) sum += double{heads[d]} * heads[dim + d];
    return sum;
  };
  // Both vectors have length 16. Sines and cosines are within half an ulp, so each rotated vector
  // is off by at most about 4 ulp of its length.
  EXPECT_NEAR(score(7, 3), score(200'007, 200'003), 16 * 16 * 8 * kUlp);
}

class QkNormRopeSizes : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(QkNormRopeSizes, EqualsReference) {
  const auto [rows, rotary_dim] = GetParam();
  const int num_heads = 3, head_dim = 72, head_stride = 100;
  const std::vector<float> weight = random_floats(head_dim, 1);
  const std::vector<float> input = random_floats(rows * num_heads * head_stride, 2);
  std::vector<int32_t> positions(rows);
  for (int t = 0; t < rows; ++t) positions[t] = 1'000'003 * t;
  auto run = [&](Machine& machine) {
    std::vector<float> heads = input;
    machine.run(&KernelTable::qk_norm_rope,
                {view_f32(heads.data(), rows, num_heads * head_stride),
                 num_heads,
                 head_dim,
                 head_stride,
                 weight.data(),
                 kEpsilon,
                 rotary_dim,
                 1e7f,
                 column(positions)});
    return heads;
  };
  Machine reference(Backend::kReference);
  const std::vector<float> expected = run(reference);
  for_each_backend([&](Machine& machine) { expect_same_bits(expected, run(machine)); });
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         QkNormRopeSizes,
                         testing::Combine(testing::Values(0, 1, 3, 200),
                                          testing::Values(0, 2, 22, 64, 72)));

TEST(GatedNorm, NormsFirstAndGatesThen) {
  std::vector<float> x = {3, 4};
  std::vector<float> gate = {0, 100};
  const std::vector<float> weight = {2, -1};
  Machine(Backend::kReference)
      .run(&KernelTable::gated_norm,
           {matrix(x, 1), matrix(gate, 1), weight.data(), 2, 3.5f, matrix(x, 1)});
  EXPECT_EQ(x, (std::vector<float>{0.0f, -100.0f}));
}

class GatedNormSizes : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(GatedNormSizes, EqualsReference) {
  const auto [rows, dim] = GetParam();
  const int64_t cols = 5 * dim;
  const std::vector<float> weight = random_floats(dim, 1);
  std::vector<float> x = random_floats(rows * cols, 2);
  std::vector<float> gate = random_floats(rows * cols, 3, 4.0f);
  std::vector<float> expected(x.size());
  GatedNormParams params{view_f32(x.data(), rows, cols),
                         view_f32(gate.data(), rows, cols),
                         weight.data(),
                         dim,
                         kEpsilon,
                         view_f32(expected.data(), rows, cols)};
  Machine(Backend::kReference).run(&KernelTable::gated_norm, params);
  for_each_backend([&](Machine& machine) {
    std::vector<float> actual(x.size());
    params.output = view_f32(actual.data(), rows, cols);
    machine.run(&KernelTable::gated_norm, params);
    expect_same_bits(expected, actual);
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         GatedNormSizes,
                         testing::Combine(testing::Values(0, 1, 3, 67),
                                          testing::Values(1, 13, 128)));

}  // namespace
}  // namespace shoal::kernels
