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
  std::vector<ExpertWeights>& writable_weights() { return weights_; }

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
    // The types of other files, each once on both sides.
    {DType::kIQ2_XXS, DType::kIQ2_XS, 256, 256},
    {DType::kIQ2_XS, DType::kIQ2_S, 256, 256},
    {DType::kIQ2_S, DType::kIQ3_S, 512, 256},
    {DType::kIQ3_S, DType::kIQ4_NL, 256, 96},
    {DType::kIQ4_NL, DType::kQ2_K, 96, 256},
    {DType::kQ2_K, DType::kQ3_K, 256, 256},
    {DType::kQ3_K, DType::kIQ2_XXS, 256, 256},
    {DType::kIQ1_S, DType::kIQ1_M, 256, 256},
    {DType::kIQ1_M, DType::kIQ1_S, 256, 256},
    {DType::kQ4_0, DType::kQ4_1, 96, 64},
    {DType::kQ4_1, DType::kQ5_0, 96, 64},
    {DType::kQ5_0, DType::kQ5_1, 96, 64},
    {DType::kQ5_1, DType::kQ4_0, 96, 64},
    {DType::kNVFP4, DType::kNVFP4, 320, 192},
    {DType::kTQ1_0, DType::kTQ2_0, 256, 256},
    {DType::kTQ2_0, DType::kTQ1_0, 256, 256},
    {DType::kF16, DType::kF16, 64, 48},
    {DType::kF32, DType::kF32, 64, 48},
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

// Each expert's own scales on gate and up before SwiGLU and on down after it.
TEST(ExpertMlp, ScalesBelongToExperts) {
  std::mt19937 random(41);
  const Shape shape = {DType::kNVFP4, DType::kNVFP4, 256, 192};
  Experts experts(shape, 2, random);
  for (int e = 0; e < 2; ++e) {
    ExpertWeights& weights = experts.writable_weights()[e];
    weights.gate.scale = 0.25f + static_cast<float>(e);
    weights.up.scale = 3.1f - static_cast<float>(e);
    weights.down.scale = 0.01f * static_cast<float>(1 + e);
  }
  const Activations x(
      random_floats(3 * shape.hidden, random), shape.hidden, ActivationFormat::kInt8);
  std::vector<float> expected;
  ThreadPool pool(1);
  const Exec exec{.pool = &pool};
  for (int n = 0; n < 3; ++n) {
    ExpertWeights expert = experts.weights()[n == 0 ? 0 : 1];
    const float scales[] = {expert.gate.scale, expert.up.scale, expert.down.scale};
    expert.gate.scale = expert.up.scale = expert.down.scale = 1;
    const Activations one(
        {x.floats().begin() + n * shape.hidden, x.floats().begin() + (n + 1) * shape.hidden},
        shape.hidden,
        ActivationFormat::kInt8);
    std::vector<float> gate(shape.intermediate), up(gate), output(shape.hidden);
    reference::matmul({expert.gate, one.rows(), view_f32(gate.data(), 1, shape.intermediate)},
                      exec);
    reference::matmul({expert.up, one.rows(), view_f32(up.data(), 1, shape.intermediate)}, exec);
    for (size_t i = 0; i < gate.size(); ++i)
      gate[i] = silu(gate[i] * scales[0]) * (up[i] * scales[1]);
    const Activations inner(gate, shape.intermediate, ActivationFormat::kInt16);
    reference::matmul({expert.down, inner.rows(), view_f32(output.data(), 1, shape.hidden)}, exec);
    for (const float value : output) expected.push_back(value * scales[2]);
  }
  for (const Kernel<ExpertMlpParams> kernel : {reference::expert_mlp, cpu::expert_mlp})
    EXPECT_TRUE(same_bits(run(kernel, experts.weights(), {1, 2}, x.rows(), 1), expected));
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
