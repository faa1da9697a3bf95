// Element-wise ops, to the bit, over arguments that reach every branch of exp.
#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/product_data.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

// Ordinary numbers, and where exp saturates or gives subnormals.
std::vector<float> arguments(int64_t count, uint32_t seed) {
  std::vector<float> values = random_floats(count, seed, 10.0f);
  const std::vector<float> corners = {0.0f, -0.0f, 88.7f, -88.0f, -103.5f, 120.0f, -120.0f, 1e-40f};
  for (size_t i = 0; i < corners.size() && i < values.size(); ++i) values[i] = corners[i];
  return values;
}

TEST(CudaElementwise, SiluMulEqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t count : {0, 1, 131, 42793}) {
    std::vector<float> gate = arguments(count, 1), up = random_floats(count, 2u), out(count);
    Machine reference(Backend::kReference);
    reference.run(
        &KernelTable::silu_mul,
        {view_f32(gate.data(), count), view_f32(up.data(), count), view_f32(out.data(), count)});
    const OnDevice<float> device_gate(gate), device_up(up);
    GpuMachine gpu;
    gpu.run(
        &KernelTable::silu_mul,
        {matrix(device_gate, count, 1), matrix(device_up, count, 1), matrix(device_up, count, 1)});
    expect_same_bits(out, device_up.download());
  }
}

TEST(CudaElementwise, SigmoidMulEqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t rows : {0, 1, 67}) {
    const int heads = 3, dim = 40, stride = 96, offset = 50;
    std::vector<float> values = random_floats(rows * heads * dim, 3u);
    std::vector<float> gate = arguments(rows * heads * stride, 4);
    const OnDevice<float> device_values(values), device_gate(gate);
    SigmoidMulParams params = {.values = view_f32(values.data(), rows, heads * dim),
                               .gate = view_f32(gate.data(), rows, heads * stride),
                               .num_heads = heads,
                               .dim = dim,
                               .gate_stride = stride,
                               .gate_offset = offset};
    Machine reference(Backend::kReference);
    reference.run(&KernelTable::sigmoid_mul, params);
    params.values = matrix(device_values, rows, heads * dim);
    params.gate = matrix(device_gate, rows, heads * stride);
    GpuMachine gpu;
    gpu.run(&KernelTable::sigmoid_mul, params);
    expect_same_bits(values, device_values.download());
  }
}

TEST(CudaElementwise, AddScaledEqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const bool gated : {false, true})
    for (const int64_t rows : {0, 1, 67}) {
      const int64_t cols = 77;
      std::vector<float> x = random_floats(rows * cols, 5u), gate = arguments(rows, 6);
      std::vector<float> out = random_floats(rows * cols, 7u);
      const OnDevice<float> device_x(x), device_gate(gate), device_out(out);
      Machine reference(Backend::kReference);
      reference.run(&KernelTable::add_scaled,
                    {view_f32(x.data(), rows, cols),
                     gated ? gate.data() : nullptr,
                     view_f32(out.data(), rows, cols)});
      GpuMachine gpu;
      gpu.run(&KernelTable::add_scaled,
              {matrix(device_x, rows, cols),
               gated ? device_gate.data() : nullptr,
               matrix(device_out, rows, cols)});
      expect_same_bits(out, device_out.download());
    }
}

}  // namespace
}  // namespace shoal::kernels
