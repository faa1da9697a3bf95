#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/rotary.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kRowThreads = 256;
constexpr int kHeadsPerThreadBlock = 4;

// A thread block a row: the first warp sums, all scale.
__global__ void rms_norm_kernel(
    const float* input, const float* weight, float epsilon, int cols, float* output) {
  __shared__ float scale;
  const float* x = input + static_cast<int64_t>(blockIdx.x) * cols;
  float* y = output + static_cast<int64_t>(blockIdx.x) * cols;
  if (threadIdx.x < 32) {
    const float sum = lane_dot(x, x, cols);
    if (threadIdx.x == 0) scale = norm_scale(sum, cols, epsilon);
  }
  __syncthreads();  // the scale is written before all read it, and the row before it is overwritten
  for (int k = threadIdx.x; k < cols; k += kRowThreads) y[k] = (x[k] * scale) * weight[k];
}

struct RotaryCall {
  float* heads;
  const float* weight;
  const int32_t* positions;
  int num_heads, head_stride;
  int64_t rows;
  HeadShape shape;
};

// A warp a head.
__global__ void qk_norm_rope_kernel(const __grid_constant__ RotaryCall call,
                                    const __grid_constant__ Frequencies frequencies) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kHeadsPerThreadBlock + threadIdx.x / 32;
  if (index >= call.rows * call.num_heads) return;
  float* head = call.heads + index * call.head_stride;
  norm_and_rotate(
      head, head, call.weight, call.positions[index / call.num_heads], call.shape, frequencies);
}

struct GatedShape {
  int64_t num_heads;  // of all rows together
  int dim;
  float epsilon;
};

// A warp a head.
__global__ void gated_norm_kernel(const float* input,
                                  const float* gate,
                                  const float* weight,
                                  const __grid_constant__ GatedShape shape,
                                  float* output) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kHeadsPerThreadBlock + threadIdx.x / 32;
  if (index >= shape.num_heads) return;
  const float* x = input + index * shape.dim;
  const float* g = gate + index * shape.dim;
  float* y = output + index * shape.dim;
  const float scale = norm_scale(lane_dot(x, x, shape.dim), shape.dim, shape.epsilon);
  __syncwarp();  // the sum above has read the head, which may be the output
  for (int k = threadIdx.x % 32; k < shape.dim; k += 32)
    y[k] = ((x[k] * scale) * weight[k]) * silu(g[k]);
}

dim3 grid_of_heads(int64_t num_heads) {
  return dim3(static_cast<unsigned>((num_heads + kHeadsPerThreadBlock - 1) / kHeadsPerThreadBlock));
}

}  // namespace

void rms_norm(const RmsNormParams& params, const Exec& exec) {
  device::Launch({.grid = dim3(static_cast<unsigned>(params.input.rows())),
                  .block = dim3(kRowThreads),
                  .stream = exec.stream})(rms_norm_kernel,
                                          params.input.f32(),
                                          params.weight,
                                          params.epsilon,
                                          static_cast<int>(params.input.cols()),
                                          params.output.f32());
}

void qk_norm_rope(const QkNormRopeParams& params, const Exec& exec) {
  check_rotary(params);
  const RotaryCall call = {.heads = params.heads.f32(),
                           .weight = params.weight,
                           .positions = params.positions.i32(),
                           .num_heads = params.num_heads,
                           .head_stride = params.head_stride,
                           .rows = params.heads.rows(),
                           .shape = {params.head_dim, params.rotary_dim, params.epsilon}};
  device::Launch({.grid = grid_of_heads(call.rows * call.num_heads),
                  .block = dim3(32 * kHeadsPerThreadBlock),
                  .stream = exec.stream})(qk_norm_rope_kernel, call, frequencies_of(params));
}

void gated_norm(const GatedNormParams& params, const Exec& exec) {
  const GatedShape shape = {.num_heads = params.input.elements() / params.dim,
                            .dim = params.dim,
                            .epsilon = params.epsilon};
  device::Launch({.grid = grid_of_heads(shape.num_heads),
                  .block = dim3(32 * kHeadsPerThreadBlock),
                  .stream = exec.stream})(gated_norm_kernel,
                                          params.input.f32(),
                                          params.gate.f32(),
                                          params.weight,
                                          shape,
                                          params.output.f32());
}

}  // namespace shoal::kernels::cuda
