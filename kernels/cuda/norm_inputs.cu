// Residual, norm and the activation formats of what comes out, one launch: a thread block a row.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/quantize_rows.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 512;

struct Formats {
  float* f32;
  int16_t* int16;
  float *int16_scales, *int16_sums;
  int8_t* int8;
  float *int8_scales, *int8_sums;
};

struct Call {
  float* hidden;
  const float* addend;  // or null
  const float* weight;
  float epsilon;
  int cols;
  Formats out;
};

// A row in shared memory by lanes: column k is place k / 8 of lane k mod 8. Lanes lie 4 floats off
// a multiple of 32, so that eight threads reading 16 bytes each meet no bank twice.
struct LaneRows {
  float* values;
  int stride;

  __device__ float& at(int k) const { return values[k % kLanes * stride + k / kLanes]; }
};

inline __host__ __device__ int lane_stride(int cols) { return (cols / kLanes + 31) / 32 * 32 + 4; }

// The chain of one lane: its places in order.
__device__ float square_lane(const float* lane, int count) {
  float sum = 0.0f;
  int i = 0;
#pragma unroll 4
  for (; i + 4 <= count; i += 4) {
    const float4 x = *reinterpret_cast<const float4*>(lane + i);
    sum = __fmaf_rn(x.x, x.x, sum);
    sum = __fmaf_rn(x.y, x.y, sum);
    sum = __fmaf_rn(x.z, x.z, sum);
    sum = __fmaf_rn(x.w, x.w, sum);
  }
  for (; i < count; ++i) sum = __fmaf_rn(lane[i], lane[i], sum);
  return sum;
}

template <class T>
__device__ void store_quantized(
    float y, float limit, int64_t at, T* values, float* scales, float* sums) {
  const QuantizedColumn column = quantize_column(y, limit);
  values[at] = static_cast<T>(column.value);
  if (threadIdx.x % 32 == 0) {
    scales[at / 32] = column.scale;
    sums[at / 32] = column.sum;
  }
}

__global__ void __launch_bounds__(kThreads) norm_inputs_kernel(const __grid_constant__ Call call) {
  extern __shared__ float4 shared[];
  __shared__ float scale;
  const LaneRows row = {reinterpret_cast<float*>(shared), lane_stride(call.cols)};
  const int64_t first = static_cast<int64_t>(blockIdx.x) * call.cols;
  wait_for_inputs();
  for (int k = threadIdx.x; k < call.cols; k += kThreads) {
    float x = call.hidden[first + k];
    if (call.addend != nullptr) {
      x = x + call.addend[first + k];
      call.hidden[first + k] = x;
    }
    row.at(k) = x;
  }
  __syncthreads();  // the row is whole before the lanes sum it
  if (threadIdx.x < 32) {
    const int lane = threadIdx.x % kLanes;
    const int count = (call.cols - lane + kLanes - 1) / kLanes;
    const float sum = lane_tree(square_lane(row.values + lane * row.stride, count));
    if (threadIdx.x == 0)
      scale =
          __fdiv_rn(1.0f, __fsqrt_rn(__fdiv_rn(sum, static_cast<float>(call.cols)) + call.epsilon));
  }
  __syncthreads();  // the scale is written before all read it
  // Whole warps: cols is a multiple of 32 wherever an integer format is wanted.
  for (int k = threadIdx.x; k < call.cols; k += kThreads) {
    const float y = (row.at(k) * scale) * call.weight[k];
    call.out.f32[first + k] = y;
    if (call.out.int16 != nullptr)
      store_quantized(
          y, kInt16Limit, first + k, call.out.int16, call.out.int16_scales, call.out.int16_sums);
    if (call.out.int8 != nullptr)
      store_quantized(
          y, kInt8Limit, first + k, call.out.int8, call.out.int8_scales, call.out.int8_sums);
  }
}

Formats formats_of(const InputRows& rows) {
  return {.f32 = rows.f32,
          .int16 = static_cast<int16_t*>(rows.int16.values),
          .int16_scales = rows.int16.scales,
          .int16_sums = rows.int16.sums,
          .int8 = static_cast<int8_t*>(rows.int8.values),
          .int8_scales = rows.int8.scales,
          .int8_sums = rows.int8.sums};
}

// SiLU(gate) * up, a thread a column.
__global__ void __launch_bounds__(256) silu_inputs_kernel(const float* gate,
                                                          const float* up,
                                                          int64_t count,
                                                          const __grid_constant__ Formats out) {
  wait_for_inputs();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x;
  if (i / 32 * 32 >= count) return;  // whole warps
  const float y = i < count ? silu(gate[i]) * up[i] : 0.0f;
  if (i < count) out.f32[i] = y;
  if (out.int16 != nullptr)
    store_quantized(y, kInt16Limit, i, out.int16, out.int16_scales, out.int16_sums);
  if (out.int8 != nullptr)
    store_quantized(y, kInt8Limit, i, out.int8, out.int8_scales, out.int8_sums);
}

}  // namespace

void norm_inputs(const NormInputsParams& params, const Exec& exec) {
  check_norm_inputs(params);
  const int cols = static_cast<int>(params.hidden.cols());
  device::Launch({.grid = dim3(static_cast<unsigned>(params.hidden.rows())),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .shared_bytes = kLanes * lane_stride(cols) * sizeof(float),
                  .overlaps_previous = true})(
      norm_inputs_kernel,
      Call{.hidden = params.hidden.f32(),
           .addend = params.addend.data != nullptr ? params.addend.f32() : nullptr,
           .weight = params.weight,
           .epsilon = params.epsilon,
           .cols = cols,
           .out = formats_of(params.output)});
}

void silu_inputs(const SiluInputsParams& params, const Exec& exec) {
  const int64_t count = params.mul.output.elements();
  device::Launch({.grid = dim3(static_cast<unsigned>((count + 255) / 256)),
                  .block = dim3(256),
                  .stream = exec.stream,
                  .overlaps_previous = true})(silu_inputs_kernel,
                                              params.mul.gate.f32(),
                                              params.mul.up.f32(),
                                              count,
                                              formats_of(params.output));
}

}  // namespace shoal::kernels::cuda
