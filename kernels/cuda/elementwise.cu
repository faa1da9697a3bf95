#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/math.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__device__ int64_t element() { return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; }

device::LaunchShape an_element_a_thread(int64_t count, const Exec& exec) {
  return {.grid = dim3(static_cast<unsigned>((count + kThreads - 1) / kThreads)),
          .block = dim3(kThreads),
          .stream = exec.stream};
}

__global__ void silu_mul_kernel(const float* gate, const float* up, int64_t count, float* output) {
  const int64_t i = element();
  if (i < count) output[i] = silu(gate[i]) * up[i];
}

struct GateShape {
  int64_t count;
  int num_heads, dim, gate_stride, gate_offset;
};

__global__ void sigmoid_mul_kernel(float* values,
                                   const float* gate,
                                   const __grid_constant__ GateShape shape) {
  const int64_t i = element();
  if (i >= shape.count) return;
  const int64_t head = i / shape.dim;  // of all rows
  const float* g = gate + head * shape.gate_stride + shape.gate_offset;
  values[i] = values[i] * sigmoid(g[i % shape.dim]);
}

__global__ void add_scaled_kernel(
    const float* input, const float* gate, int64_t count, int64_t cols, float* output) {
  const int64_t i = element();
  if (i >= count) return;
  const float scale = gate == nullptr ? 1.0f : sigmoid(gate[i / cols]);
  output[i] = __fmaf_rn(scale, input[i], output[i]);
}

}  // namespace

void silu_mul(const SiluMulParams& params, const Exec& exec) {
  const int64_t count = params.output.elements();
  device::Launch(an_element_a_thread(count, exec))(
      silu_mul_kernel, params.gate.f32(), params.up.f32(), count, params.output.f32());
}

void sigmoid_mul(const SigmoidMulParams& params, const Exec& exec) {
  const GateShape shape = {.count = params.values.elements(),
                           .num_heads = params.num_heads,
                           .dim = params.dim,
                           .gate_stride = params.gate_stride,
                           .gate_offset = params.gate_offset};
  device::Launch(an_element_a_thread(shape.count, exec))(
      sigmoid_mul_kernel, params.values.f32(), params.gate.f32(), shape);
}

void add_scaled(const AddScaledParams& params, const Exec& exec) {
  const int64_t count = params.output.elements();
  device::Launch(an_element_a_thread(count, exec))(add_scaled_kernel,
                                                   params.input.f32(),
                                                   params.gate,
                                                   count,
                                                   params.output.cols(),
                                                   params.output.f32());
}

}  // namespace shoal::kernels::cuda
