#include <cmath>

#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

TEST(SiluMul, KnownValues) {
  // SiLU(0) = 0; far out it is the identity or vanishes.
  std::vector<float> gate = {0, 100, -200};
  std::vector<float> up = {5, 3, 7};
  std::vector<float> output(3);
  Machine(Backend::kReference)
      .run(&KernelTable::silu_mul, {matrix(gate, 1), matrix(up, 1), matrix(output, 1)});
  EXPECT_EQ(output, (std::vector<float>{0, 300, 0}));
}

TEST(SigmoidMul, TakesTheGateBehindTheQuery) {
  // Two heads of 1 value; a head of the gate matrix is (query, gate).
  std::vector<float> values = {8, 6};
  std::vector<float> gate = {77, 0, 77, -200};
  Machine(Backend::kReference)
      .run(&KernelTable::sigmoid_mul, {matrix(values, 1), matrix(gate, 1), 2, 1, 2, 1});
  EXPECT_EQ(values, (std::vector<float>{4, 0}));
}

TEST(AddScaled, ScalesByTheTokensGateOrByOne) {
  std::vector<float> input = {1, 2, 3, 4};
  std::vector<float> output = {10, 20, 30, 40};
  const std::vector<float> gate = {0, 100};
  Machine machine(Backend::kReference);
  machine.run(&KernelTable::add_scaled, {matrix(input, 2), gate.data(), matrix(output, 2)});
  EXPECT_EQ(output, (std::vector<float>{10.5, 21, 33, 44}));
  machine.run(&KernelTable::add_scaled, {matrix(input, 2), nullptr, matrix(output, 2)});
  EXPECT_EQ(output, (std::vector<float>{11.5, 23, 36, 48}));
}

struct Size {
  int rows;
  int cols;
};

class ElementwiseSizes : public testing::TestWithParam<Size> {};

TEST_P(ElementwiseSizes, SiluMulEqualsReference) {
  const auto [rows, cols] = GetParam();
  std::vector<float> gate = random_floats(rows * cols, 1, 5.0f);
  std::vector<float> up = random_floats(rows * cols, 2);
  auto run = [&](Machine& machine) {
    std::vector<float> output(gate.size());
    machine.run(&KernelTable::silu_mul,
                {view_f32(gate.data(), rows, cols),
                 view_f32(up.data(), rows, cols),
                 view_f32(output.data(), rows, cols)});
    return output;
  };
  Machine reference(Backend::kReference);
  const std::vector<float> expected = run(reference);
  for_each_backend([&](Machine& machine) { expect_same_bits(expected, run(machine)); });
}

TEST_P(ElementwiseSizes, SigmoidMulEqualsReference) {
  const auto [rows, dim] = GetParam();
  const int num_heads = 3, stride = 2 * dim + 1, offset = dim;
  const std::vector<float> input = random_floats(rows * num_heads * dim, 1);
  std::vector<float> gate = random_floats(rows * num_heads * stride, 2, 5.0f);
  auto run = [&](Machine& machine) {
    std::vector<float> values = input;
    machine.run(&KernelTable::sigmoid_mul,
                {view_f32(values.data(), rows, num_heads * dim),
                 view_f32(gate.data(), rows, num_heads * stride),
                 num_heads,
                 dim,
                 stride,
                 offset});
    return values;
  };
  Machine reference(Backend::kReference);
  const std::vector<float> expected = run(reference);
  for_each_backend([&](Machine& machine) { expect_same_bits(expected, run(machine)); });
}

TEST_P(ElementwiseSizes, AddScaledEqualsReference) {
  const auto [rows, cols] = GetParam();
  std::vector<float> input = random_floats(rows * cols, 1);
  const std::vector<float> gates = random_floats(rows, 2);
  const std::vector<float> before = random_floats(rows * cols, 3);
  for (const float* gate : {static_cast<const float*>(nullptr), gates.data()}) {
    auto run = [&](Machine& machine) {
      std::vector<float> output = before;
      machine.run(&KernelTable::add_scaled,
                  {view_f32(input.data(), rows, cols), gate, view_f32(output.data(), rows, cols)});
      return output;
    };
    Machine reference(Backend::kReference);
    const std::vector<float> expected = run(reference);
    for_each_backend([&](Machine& machine) { expect_same_bits(expected, run(machine)); });
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         ElementwiseSizes,
                         testing::Values(Size{0, 8}, Size{1, 1}, Size{3, 131}, Size{91, 1024}));

}  // namespace
}  // namespace shoal::kernels
