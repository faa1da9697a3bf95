// The experts' MLP with rows for none, few and many of them, to the bit.
#include <deque>
#include <numeric>

#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/product_data.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

struct Shape {
  DType gate_up, down;
  int64_t hidden, intermediate;
};

const std::vector<Shape> kShapes = {
    {DType::kQ4_K, DType::kQ5_K, 256, 256},
    {DType::kIQ3_XXS, DType::kIQ4_XS, 512, 256},
    {DType::kMXFP4, DType::kMXFP4, 256, 96},
    {DType::kQ8_0, DType::kQ6_K, 64, 256},
    {DType::kBF16, DType::kBF16, 64, 48},
    {DType::kQ8_0, DType::kF32, 64, 96},
};

struct HostAndDevice {
  std::deque<WeightMatrix> matrices;
  std::deque<DeviceWeight> copies;
  std::vector<ExpertWeights> host, device;

  HostAndDevice(const Shape& shape, size_t count, std::mt19937& random) {
    const auto add = [&](DType dtype, int64_t rows, int64_t cols) {
      matrices.emplace_back(dtype, rows, cols, random);
      copies.emplace_back(matrices.back().view());
    };
    for (size_t e = 0; e < count; ++e) {
      add(shape.gate_up, shape.intermediate, shape.hidden);
      add(shape.gate_up, shape.intermediate, shape.hidden);
      add(shape.down, shape.hidden, shape.intermediate);
      const size_t at = 3 * e;
      host.push_back({matrices[at].view(), matrices[at + 1].view(), matrices[at + 2].view()});
      device.push_back({copies[at].view(), copies[at + 1].view(), copies[at + 2].view()});
    }
  }
};

void expect_equals_reference(const Shape& shape,
                             const HostAndDevice& experts,
                             const std::vector<int32_t>& counts,
                             ActivationFormat format) {
  const int64_t rows = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  std::mt19937 random(31);
  const Activations x(random_floats(rows * shape.hidden, random), shape.hidden, format);
  std::vector<float> expected(rows * shape.hidden);
  const size_t workspace_bytes = expert_mlp_workspace(rows, shape.intermediate);
  std::vector<std::byte> workspace(workspace_bytes);
  select_kernels(Backend::kReference)
      .expert_mlp({.experts = experts.host,
                   .tokens_per_expert = counts,
                   .input = x.rows(),
                   .output = view_f32(expected.data(), rows, shape.hidden)},
                  Exec{.workspace = workspace});
  GpuMachine gpu(workspace_bytes);
  const DeviceRows device_x(x.rows());
  const OnDevice<float> output(std::vector<float>(rows * shape.hidden, NAN));
  gpu.run(&KernelTable::expert_mlp,
          {.experts = experts.device,
           .tokens_per_expert = counts,
           .input = device_x.rows(),
           .output = matrix(output, rows, shape.hidden)});
  expect_same_bits(expected, output.download());
}

TEST(CudaExpertMlp, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  const std::vector<std::vector<int32_t>> groupings = {{0, 0, 0, 0},
                                                       {1, 0, 0, 0},
                                                       {0, 1, 1, 1},
                                                       {2, 0, 1, 5},
                                                       {0, 0, 0, 37},
                                                       {13, 4, 0, 12},
                                                       {3, 3, 2, 4}};
  for (const Shape& shape : kShapes) {
    std::mt19937 random(29);
    const HostAndDevice experts(shape, 4, random);
    for (const std::vector<int32_t>& counts : groupings) {
      if (!is_quantized(shape.gate_up)) {
        expect_equals_reference(shape, experts, counts, ActivationFormat::kF32);
        continue;
      }
      expect_equals_reference(shape, experts, counts, ActivationFormat::kInt8);
      expect_equals_reference(shape, experts, counts, ActivationFormat::kInt16);
    }
  }
}

// More active experts than the small table holds, and more than the large one.
TEST(CudaExpertMlp, ManyExpertsEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  const Shape shape = {DType::kQ8_0, DType::kQ8_0, 32, 32};
  std::mt19937 random(37);
  const HostAndDevice experts(shape, 600, random);
  for (const int every : {20, 1}) {
    std::vector<int32_t> counts(600);
    for (int e = 0; e < 600; e += every) counts[e] = 1 + e % 3;
    expect_equals_reference(shape, experts, counts, ActivationFormat::kInt8);
  }
}

}  // namespace
}  // namespace shoal::kernels
