// Products of every type that the device has, to the bit.
#include <cmath>

#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/product_data.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

const std::vector<DType> kTypes = {
    DType::kF32,     DType::kF16,     DType::kBF16,   DType::kQ8_0,  DType::kQ4_K,   DType::kQ5_K,
    DType::kQ6_K,    DType::kIQ3_XXS, DType::kIQ4_XS, DType::kMXFP4, DType::kQ4_0,   DType::kQ4_1,
    DType::kQ5_0,    DType::kQ5_1,    DType::kQ2_K,   DType::kQ3_K,  DType::kIQ1_S,  DType::kIQ1_M,
    DType::kIQ2_XXS, DType::kIQ2_XS,  DType::kIQ2_S,  DType::kIQ3_S, DType::kIQ4_NL, DType::kTQ1_0,
    DType::kTQ2_0,   DType::kNVFP4};

ActivationFormat format_of(DType dtype) {
  return is_quantized(dtype) ? ActivationFormat::kInt16 : ActivationFormat::kF32;
}

class CudaMatmul : public testing::TestWithParam<DType> {
 protected:
  void expect_equals_reference(int64_t rows, int64_t cols, const std::vector<int64_t>& tokens) {
    std::mt19937 random(11);
    const WeightMatrix weight(GetParam(), rows, cols, random);
    const DeviceWeight device_weight(weight.view());
    GpuMachine gpu;
    const Activations x(random_floats(tokens.back() * cols, random), cols, format_of(GetParam()));
    std::vector<float> expected(tokens.back() * rows);
    Machine reference(Backend::kReference);
    reference.run(&KernelTable::matmul,
                  {weight.view(), x.rows(), view_f32(expected.data(), tokens.back(), rows)});
    const DeviceRows device_x(x.rows());
    for (const int64_t n : tokens) {
      SCOPED_TRACE(testing::Message() << rows << " x " << cols << ", " << n << " tokens");
      ActivationRows input = device_x.rows();
      input.rows = n;
      const OnDevice<float> output(std::vector<float>(n * rows, NAN));
      gpu.run(&KernelTable::matmul, {device_weight.view(), input, matrix(output, n, rows)});
      expect_same_bits({expected.begin(), expected.begin() + n * rows}, output.download());
    }
  }
};

TEST_P(CudaMatmul, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t cols : {32, 96, 256, 512, 544, 2048}) {
    if (cols % dtype_traits(GetParam()).block_elements != 0) continue;
    for (const int64_t rows : {1, 7, 131}) expect_equals_reference(rows, cols, {0, 1, 2, 3, 8, 37});
  }
}

TEST_P(CudaMatmul, ManyTokensEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  expect_equals_reference(129, 512, {16, 64, 65, 333});
}

// Enough rows for the larger tiles, around the ends of their tokens, rows and stages of columns.
TEST_P(CudaMatmul, ManyRowsEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  expect_equals_reference(7041, 256, {9, 16, 31, 33, 64, 70});
  if (dtype_traits(GetParam()).block_elements <= 32)
    expect_equals_reference(3524, 1056, {10, 17, 33, 129});
  else
    expect_equals_reference(3524, 1280, {10, 17, 33, 129});
}

// One and two tokens by slabs: more of them than a thread block has on their way, the last of a
// matrix short; and shapes that do not fit.
TEST_P(CudaMatmul, FewTokensEqualReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  expect_equals_reference(12355, 2048, {1, 2});
  expect_equals_reference(2050, 4096, {1, 2});
  expect_equals_reference(301, 8192, {1, 2});
  expect_equals_reference(4096, 512, {1, 2});
  expect_equals_reference(515, 16384, {1, 2});
}

INSTANTIATE_TEST_SUITE_P(Types,
                         CudaMatmul,
                         testing::ValuesIn(kTypes),
                         [](const testing::TestParamInfo<DType>& info) {
                           return std::string(dtype_name(info.param));
                         });

TEST(CudaMatmulFloats, RowsMayEndInsideTheLanes) {
  SHOAL_SKIP_WITHOUT_GPU();
  std::mt19937 random(17);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
    for (const int64_t cols : {1, 7, 9, 30}) {
      const WeightMatrix weight(dtype, 6, cols, random);
      const Activations x(random_floats(3 * cols, random), cols, ActivationFormat::kF32);
      std::vector<float> expected(18);
      Machine reference(Backend::kReference);
      reference.run(&KernelTable::matmul,
                    {weight.view(), x.rows(), view_f32(expected.data(), 3, 6)});
      GpuMachine gpu;
      const DeviceWeight device_weight(weight.view());
      const DeviceRows device_x(x.rows());
      const OnDevice<float> output(std::vector<float>(18, NAN));
      gpu.run(&KernelTable::matmul, {device_weight.view(), device_x.rows(), matrix(output, 3, 6)});
      expect_same_bits(expected, output.download());
    }
}

// Tuned types with a scale go the way of the others.
TEST(CudaMatmulTypes, AScaleOfTheMatrixCounts) {
  SHOAL_SKIP_WITHOUT_GPU();
  std::mt19937 random(5);
  for (const DType dtype :
       {DType::kNVFP4, DType::kQ4_K, DType::kQ6_K, DType::kIQ3_XXS, DType::kMXFP4}) {
    SCOPED_TRACE(dtype_name(dtype));
    constexpr int64_t kRows = 37, kCols = 512, kTokens = 9;
    const WeightMatrix weight(dtype, kRows, kCols, random);
    WeightView view = weight.view();
    view.scale = 0.37f;
    const Activations x(random_floats(kTokens * kCols, random), kCols, ActivationFormat::kInt16);
    std::vector<float> expected(kTokens * kRows);
    Machine(Backend::kReference)
        .run(&KernelTable::matmul, {view, x.rows(), view_f32(expected.data(), kTokens, kRows)});
    const DeviceWeight device_weight(view);
    const DeviceRows device_x(x.rows());
    const OnDevice<float> output(std::vector<float>(kTokens * kRows, NAN));
    GpuMachine().run(&KernelTable::matmul,
                     {device_weight.view(), device_x.rows(), matrix(output, kTokens, kRows)});
    expect_same_bits(expected, output.download());
  }
}

}  // namespace
}  // namespace shoal::kernels
