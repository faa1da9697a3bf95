#include "kernels/ops/expert_mlp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/cpu/avx512_ops.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/math.h"
#include "tests/unit/kernels/product_data.h"

namespace shoal::kernels {
namespace {

struct Shape {
  DType gate_up, down;
  int64_t hidden, intermediate;
};

class Experts {
 public:
  Experts(const Shape& shape, size_t count, std::mt19937& random) {
    for (size_t e = 0; e < count; ++e) {
      matrices_.emplace_back(shape.gate_up, shape.intermediate, shape.hidden, random);
      matrices_.emplace_back(shape.gate_up, shape.intermediate, shape.hidden, random);
      matrices_.emplace_back(shape.down, shape.hidden, shape.intermediate, random);
      weights_.push_back(
          {matrices_[3 * e].view(), matrices_[3 * e + 1].view(), matrices_[3 * e + 2].view()});
    }
  }
  std::span<const ExpertWeights> weights() const { return weights_; }

 private:
  std::deque<WeightMatrix> matrices_;
  std::vector<ExpertWeights> weights_;
};

std::vector<float> run(Kernel<ExpertMlpParams> kernel,
                       std::span<const ExpertWeights> experts,
                       const std::vector<int32_t>& counts,
                       const ActivationRows& input,
                       int num_threads) {
  const int64_t hidden = experts[0].down.rows;
  std::vector<float> output(static_cast<size_t>(input.rows * hidden), NAN);
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> memory(expert_mlp_workspace(input.rows, experts[0].down.cols) / 64 + 1);
  ThreadPool pool(num_threads);
  kernel({.experts = experts,
          .tokens_per_expert = counts,
          .input = input,
          .output = view_f32(output.data(), input.rows, hidden)},
         Exec{.pool = &pool,
              .workspace = {reinterpret_cast<std::byte*>(memory.data()), memory.size() * 64}});
  return output;
}

const std::vector<Shape> kShapes = {
    {DType::kQ4_K, DType::kQ5_K, 256, 256},
    {DType::kIQ3_XXS, DType::kIQ4_XS, 512, 256},
    {DType::kMXFP4, DType::kMXFP4, 256, 96},
    {DType::kQ8_0, DType::kQ6_K, 64, 256},
    {DType::kBF16, DType::kBF16, 64, 48},
};

// The definition, step by step, out of the ops that it is made of.
TEST(ExpertMlp, IsGateUpQuantizeDown) {
  std::mt19937 random(23);
  const Shape shape = {DType::kQ4_K, DType::kQ5_K, 256, 512};
  const Experts experts(shape, 1, random);
  const Activations x(
      random_floats(2 * shape.hidden, random), shape.hidden, ActivationFormat::kInt8);
  const ExpertWeights& expert = experts.weights()[0];
  ThreadPool pool(1);
  const Exec exec{.pool = &pool};
  std::vector<float> gate(2 * shape.intermediate), up(gate), expected(2 * shape.hidden);
  reference::matmul({expert.gate, x.rows(), view_f32(gate.data(), 2, shape.intermediate)}, exec);
  reference::matmul({expert.up, x.rows(), view_f32(up.data(), 2, shape.intermediate)}, exec);
  for (size_t i = 0; i < gate.size(); ++i) gate[i] = silu(gate[i]) * up[i];
  const Activations inner(gate, shape.intermediate, ActivationFormat::kInt16);
  reference::matmul({expert.down, inner.rows(), view_f32(expected.data(), 2, shape.hidden)}, exec);
  EXPECT_TRUE(same_bits(run(reference::expert_mlp, experts.weights(), {2}, x.rows(), 1), expected));
}

void expect_equals_reference(Kernel<ExpertMlpParams> expert_mlp) {
  const std::vector<std::vector<int32_t>> groupings = {
      {1, 0, 0, 0}, {0, 1, 1, 1}, {2, 0, 1, 5}, {0, 0, 0, 37}, {13, 4, 0, 12}};
  for (const Shape& shape : kShapes) {
    std::mt19937 random(29);
    const Experts experts(shape, 4, random);
    for (const std::vector<int32_t>& counts : groupings) {
      const int64_t rows = std::accumulate(counts.begin(), counts.end(), int64_t{0});
      const ActivationFormat format =
          is_quantized(shape.gate_up) ? ActivationFormat::kInt8 : ActivationFormat::kF32;
      const Activations x(random_floats(rows * shape.hidden, random), shape.hidden, format);
      const std::vector<float> expected =
          run(reference::expert_mlp, experts.weights(), counts, x.rows(), 1);
      for (const int threads : {1, 2})
        EXPECT_TRUE(
            same_bits(run(expert_mlp, experts.weights(), counts, x.rows(), threads), expected))
            << dtype_name(shape.gate_up) << ", " << rows << " rows, " << threads << " threads";
    }
  }
}

TEST(ExpertMlp, Avx2EqualsReference) {
  SHOAL_SKIP_WITHOUT_AVX2();
  expect_equals_reference(cpu::expert_mlp);
}

TEST(ExpertMlp, Avx512EqualsReference) {
  SHOAL_SKIP_WITHOUT_AVX512();
  expect_equals_reference(cpu::expert_mlp_avx512);
}

TEST(ExpertMlp, NoRowsIsNoWork) {
  std::mt19937 random(31);
  const Experts experts(kShapes[0], 2, random);
  ActivationRows none = {.format = ActivationFormat::kInt8, .rows = 0, .cols = 256};
  EXPECT_TRUE(run(reference::expert_mlp, experts.weights(), {0, 0}, none, 1).empty());
  EXPECT_TRUE(run(cpu::expert_mlp, experts.weights(), {0, 0}, none, 1).empty());
}

}  // namespace
}  // namespace shoal::kernels
