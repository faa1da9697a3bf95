// Integer activations: the device's values, scales and sums are the reference's.
#include <limits>

#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/product_data.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

template <class T>
void expect_equals_reference(std::vector<float> x, ActivationFormat format) {
  const auto n = static_cast<int64_t>(x.size()) / kActivationBlock;
  std::vector<T> values(x.size()), device_values(x.size(), 1);
  std::vector<float> scales(n), sums(n);
  Machine reference(Backend::kReference);
  QuantizeRowsParams params = {.rows = view_f32(x.data(), n, kActivationBlock),
                               .format = format,
                               .values = values.data(),
                               .scales = scales.data(),
                               .sums = sums.data()};
  reference.run(&KernelTable::quantize_rows, params);

  GpuMachine gpu;
  const OnDevice<float> input(x), gpu_scales(scales), gpu_sums(sums);
  const OnDevice<T> gpu_values(device_values);
  params.rows = matrix(input, n, kActivationBlock);
  params.values = gpu_values.data();
  params.scales = gpu_scales.data();
  params.sums = gpu_sums.data();
  gpu.run(&KernelTable::quantize_rows, params);
  EXPECT_EQ(gpu_values.download(), values);
  expect_same_bits(scales, gpu_scales.download());
  expect_same_bits(sums, gpu_sums.download());
}

TEST(CudaQuantizeRows, EqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t blocks : {0, 1, 131, 42793}) {
    std::vector<float> x = random_floats(blocks * kActivationBlock, 3u);
    if (blocks > 1) {
      for (int i = 0; i < 32; ++i) x[i] = 0.0f;
      for (int i = 32; i < 64; ++i) x[i] = 1e-45f;  // its inverse is infinite
      x[70] = std::numeric_limits<float>::quiet_NaN();
      for (int i = 96; i < 128; ++i) x[i] = static_cast<float>(i - 112) * 0.5f;  // ties
    }
    expect_equals_reference<int8_t>(x, ActivationFormat::kInt8);
    expect_equals_reference<int16_t>(x, ActivationFormat::kInt16);
  }
}

}  // namespace
}  // namespace shoal::kernels
