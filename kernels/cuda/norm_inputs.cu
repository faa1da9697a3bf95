// Residual, norm and the activation formats of what comes out, one launch: a thread block a row.
#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/quantize_rows.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kThreadsABlock = 8;  // of a 32-block

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

// The chain of one lane: its places in order, a multiple of four.
__device__ float square_lane(const float* lane, int count) {
  float sum = 0.0f;
#pragma unroll 8
  for (int i = 0; i < count; i += 4) {
    const float4 x = *reinterpret_cast<const float4*>(lane + i);
    sum = __fmaf_rn(x.x, x.x, sum);
    sum = __fmaf_rn(x.y, x.y, sum);
    sum = __fmaf_rn(x.z, x.z, sum);
    sum = __fmaf_rn(x.w, x.w, sum);
  }
  return sum;
}

// Four columns a thread, eight threads a 32-block.
template <class T>
__device__ void store_quantized(
    const float4& y, float limit, int64_t at, T* values, float* scales, float* sums) {
  using Four = std::conditional_t<sizeof(T) == 1, char4, short4>;
  float largest = fmaxf(fmaxf(fabsf(y.x), fabsf(y.y)), fmaxf(fabsf(y.z), fabsf(y.w)));
  for (int step = 1; step < kThreadsABlock; step *= 2)
    largest = fmaxf(largest, __shfl_xor_sync(kWholeWarp, largest, step));
  const float inverse = __fdiv_rn(limit, largest);
  const bool zero = isinf(inverse);
  const auto value = [&](float x) { return zero ? 0 : clamped_integer(x * inverse, limit); };
  const int4 q = {value(y.x), value(y.y), value(y.z), value(y.w)};
  int total = q.x + q.y + q.z + q.w;
  for (int step = 1; step < kThreadsABlock; step *= 2)
    total += __shfl_xor_sync(kWholeWarp, total, step);
  *reinterpret_cast<Four*>(values + at) = {
      static_cast<T>(q.x), static_cast<T>(q.y), static_cast<T>(q.z), static_cast<T>(q.w)};
  if (threadIdx.x % kThreadsABlock == 0) {
    const float scale = zero ? 0.0f : __fdiv_rn(largest, limit);
    scales[at / 32] = scale;
    sums[at / 32] = zero ? 0.0f : scale * __int2float_rn(total);
  }
}

__device__ void store_formats(const Formats& out, int64_t at, const float4& y) {
  *reinterpret_cast<float4*>(out.f32 + at) = y;
  if (out.int16 != nullptr)
    store_quantized(y, kInt16Limit, at, out.int16, out.int16_scales, out.int16_sums);
  if (out.int8 != nullptr)
    store_quantized(y, kInt8Limit, at, out.int8, out.int8_scales, out.int8_sums);
}

__device__ float4 add(const float4& a, const float4& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}

// Columns by fours; the last warp's threads past the end take part in shuffles with zeros.
__global__ void __launch_bounds__(kThreads) norm_inputs_kernel(const __grid_constant__ Call call) {
  extern __shared__ float4 shared[];
  __shared__ float scale;
  const LaneRows row = {reinterpret_cast<float*>(shared), lane_stride(call.cols)};
  float* const weight = row.values + kLanes * row.stride;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * call.cols;
  for (int k = 4 * threadIdx.x; k < call.cols; k += 4 * kThreads)
    copy_16_async(weight + k, call.weight + k);
  wait_for_inputs();
  for (int k = 4 * threadIdx.x; k < call.cols; k += 4 * kThreads) {
    auto* hidden = reinterpret_cast<float4*>(call.hidden + first + k);
    float4 x = *hidden;
    if (call.addend != nullptr) {
      x = add(x, *reinterpret_cast<const float4*>(call.addend + first + k));
      *hidden = x;
    }
    row.at(k) = x.x, row.at(k + 1) = x.y, row.at(k + 2) = x.z, row.at(k + 3) = x.w;
  }
  __syncthreads();  // the row is whole before the lanes sum it
  if (threadIdx.x < 32) {
    const int lane = threadIdx.x % kLanes;
    const float sum = lane_tree(square_lane(row.values + lane * row.stride, call.cols / kLanes));
    if (threadIdx.x == 0)
      scale =
          __fdiv_rn(1.0f, __fsqrt_rn(__fdiv_rn(sum, static_cast<float>(call.cols)) + call.epsilon));
  }
  finish_copies();  // each thread's own, which it reads
  __syncthreads();  // the scale is written before all read it
  for (int k = 4 * threadIdx.x; k < call.cols; k += 4 * kThreads) {
    const auto normed = [&](int i) { return (row.at(k + i) * scale) * weight[k + i]; };
    store_formats(call.out, first + k, {normed(0), normed(1), normed(2), normed(3)});
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

// SiLU(gate) * up, four columns a thread.
__global__ void __launch_bounds__(kThreads) silu_inputs_kernel(
    const float* gate, const float* up, int64_t count, const __grid_constant__ Formats out) {
  wait_for_inputs();
  const int64_t i = 4 * (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x);
  if (i >= count) return;
  const float4 g = *reinterpret_cast<const float4*>(gate + i);
  const float4 u = *reinterpret_cast<const float4*>(up + i);
  store_formats(out, i, {silu(g.x) * u.x, silu(g.y) * u.y, silu(g.z) * u.z, silu(g.w) * u.w});
}

}  // namespace

void norm_inputs(const NormInputsParams& params, const Exec& exec) {
  check_norm_inputs(params);
  const int cols = static_cast<int>(params.hidden.cols());
  device::Launch({.grid = dim3(static_cast<unsigned>(params.hidden.rows())),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .shared_bytes = (kLanes * lane_stride(cols) + cols) * sizeof(float),
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
  constexpr int64_t kColumns = 4 * kThreads;
  device::Launch({.grid = dim3(static_cast<unsigned>((count + kColumns - 1) / kColumns)),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .overlaps_previous = true})(silu_inputs_kernel,
                                              params.mul.gate.f32(),
                                              params.mul.up.f32(),
                                              count,
                                              formats_of(params.output));
}

}  // namespace shoal::kernels::cuda
