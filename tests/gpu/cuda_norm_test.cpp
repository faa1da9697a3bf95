// Norms and the rotary embedding, to the bit. For the angles that is a statement about the numbers
// tried here: CUDA's double sine may differ from libm's in its last bits (kernels/cuda/cuda_ops.h).
#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/product_data.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {
namespace {

TEST(CudaNorm, RmsNormEqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t rows : {0, 1, 33})
    for (const int64_t cols : {1, 13, 2048, 4096}) {
      std::vector<float> x = random_floats(rows * cols, 1u), w = random_floats(cols, 2u), y(x);
      Machine reference(Backend::kReference);
      reference.run(
          &KernelTable::rms_norm,
          {view_f32(x.data(), rows, cols), w.data(), 1e-6f, view_f32(y.data(), rows, cols)});
      const OnDevice<float> device_x(x), device_w(w);
      GpuMachine gpu;
      gpu.run(&KernelTable::rms_norm,
              {matrix(device_x, rows, cols), device_w.data(), 1e-6f, matrix(device_x, rows, cols)});
      expect_same_bits(y, device_x.download());
    }
}

TEST(CudaNorm, QkNormRopeEqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t rows : {0, 1, 257}) {
    const int heads = 3, head_dim = 256, stride = 512;
    std::vector<float> x = random_floats(rows * heads * stride, 3u),
                       w = random_floats(head_dim, 4u);
    std::vector<int32_t> positions(rows);
    for (int64_t t = 0; t < rows; ++t) positions[t] = static_cast<int32_t>(t * 1021);
    const OnDevice<float> device_x(x), device_w(w);
    const OnDevice<int32_t> device_positions(positions);
    QkNormRopeParams params = {.heads = view_f32(x.data(), rows, heads * stride),
                               .num_heads = heads,
                               .head_dim = head_dim,
                               .head_stride = stride,
                               .weight = w.data(),
                               .epsilon = 1e-6f,
                               .rotary_dim = 64,
                               .rope_base = 1e7f,
                               .positions = column(positions)};
    Machine reference(Backend::kReference);
    reference.run(&KernelTable::qk_norm_rope, params);
    params.heads = matrix(device_x, rows, heads * stride);
    params.weight = device_w.data();
    params.positions = column(device_positions, rows);
    GpuMachine gpu;
    gpu.run(&KernelTable::qk_norm_rope, params);
    expect_same_bits(x, device_x.download());
  }
}

TEST(CudaNorm, GatedNormEqualsReference) {
  SHOAL_SKIP_WITHOUT_GPU();
  for (const int64_t rows : {0, 1, 45}) {
    const int64_t dim = 128, cols = 5 * dim;
    std::vector<float> x = random_floats(rows * cols, 5u), gate = random_floats(rows * cols, 6u, 4);
    std::vector<float> w = random_floats(dim, 7u);
    const OnDevice<float> device_x(x), device_gate(gate), device_w(w);
    GatedNormParams params = {.input = view_f32(x.data(), rows, cols),
                              .gate = view_f32(gate.data(), rows, cols),
                              .weight = w.data(),
                              .dim = static_cast<int>(dim),
                              .epsilon = 1e-6f,
                              .output = view_f32(x.data(), rows, cols)};
    Machine reference(Backend::kReference);
    reference.run(&KernelTable::gated_norm, params);
    params.input = params.output = matrix(device_x, rows, cols);
    params.gate = matrix(device_gate, rows, cols);
    params.weight = device_w.data();
    GpuMachine gpu;
    gpu.run(&KernelTable::gated_norm, params);
    expect_same_bits(x, device_x.download());
  }
}

}  // namespace
}  // namespace shoal::kernels
