#include <cmath>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kRowThreads = 256;
constexpr int kHeadsPerThreadBlock = 4;

__device__ float norm_scale(float sum, int count, float epsilon) {
  return __fdiv_rn(1.0f, __fsqrt_rn(__fdiv_rn(sum, static_cast<float>(count)) + epsilon));
}

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

// Computed on the host, where pow is libm's.
struct Frequencies {
  double value[kMaxRotaryDim / 2];
};

struct RotaryShape {
  int num_heads, head_dim, head_stride, rotary_dim;
  int64_t rows;
  float epsilon;
};

// A warp a head.
__global__ void qk_norm_rope_kernel(float* heads,
                                    const float* weight,
                                    const int32_t* positions,
                                    const __grid_constant__ RotaryShape shape,
                                    const __grid_constant__ Frequencies frequencies) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kHeadsPerThreadBlock + threadIdx.x / 32;
  if (index >= shape.rows * shape.num_heads) return;
  float* head = heads + index * shape.head_stride;
  const float scale =
      norm_scale(lane_dot(head, head, shape.head_dim), shape.head_dim, shape.epsilon);
  const double position = positions[index / shape.num_heads];
  const int half = shape.rotary_dim / 2;
  __syncwarp();  // the sum above has read the head that the lines below overwrite
  for (int i = threadIdx.x % 32; i < half; i += 32) {
    double sine, cosine;
    sincos(position * frequencies.value[i], &sine, &cosine);
    const auto s = static_cast<float>(sine);
    const auto c = static_cast<float>(cosine);
    const float a = (head[i] * scale) * weight[i];
    const float b = (head[i + half] * scale) * weight[i + half];
    head[i] = __fmaf_rn(a, c, -(b * s));
    head[i + half] = __fmaf_rn(b, c, a * s);
  }
  for (int k = shape.rotary_dim + threadIdx.x % 32; k < shape.head_dim; k += 32)
    head[k] = (head[k] * scale) * weight[k];
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
  Frequencies frequencies;
  for (int i = 0; i < params.rotary_dim / 2; ++i)
    frequencies.value[i] =
        std::pow(static_cast<double>(params.rope_base), -2.0 * i / params.rotary_dim);
  const RotaryShape shape = {.num_heads = params.num_heads,
                             .head_dim = params.head_dim,
                             .head_stride = params.head_stride,
                             .rotary_dim = params.rotary_dim,
                             .rows = params.heads.rows(),
                             .epsilon = params.epsilon};
  device::Launch({.grid = grid_of_heads(shape.rows * shape.num_heads),
                  .block = dim3(32 * kHeadsPerThreadBlock),
                  .stream = exec.stream})(qk_norm_rope_kernel,
                                          params.heads.f32(),
                                          params.weight,
                                          params.positions.i32(),
                                          shape,
                                          frequencies);
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
