// Float weights in the row arithmetic of kernels/ops/matmul.h: column k belongs to lane k mod 8. A
// thread block keeps a few weight rows in shared memory as f32 and walks the tokens.
#pragma once
#include "kernels/cuda/block_codecs.cuh"
#include "kernels/cuda/math.cuh"

namespace shoal::kernels::cuda {

struct F32Weights {
  using Stored = float;
  __device__ static float widen(float value) { return value; }
};
struct F16Weights {
  using Stored = uint16_t;
  __device__ static float widen(uint16_t bits) { return half_bits(bits); }
};
struct BF16Weights {
  using Stored = uint16_t;
  __device__ static float widen(uint16_t bits) {
    return __uint_as_float(static_cast<uint32_t>(bits) << 16);
  }
};

inline constexpr int kFloatRows = 4;  // a thread block's weight rows: a warp has them all, by lane

// Rows lie 8 floats off a multiple of 32 from each other, so that four rows of eight lanes read 32
// different banks.
inline __host__ __device__ int float_row_stride(int cols) { return (cols + 31) / 32 * 32 + 8; }

inline size_t float_rows_bytes(int cols) {
  return static_cast<size_t>(kFloatRows) * float_row_stride(cols) * sizeof(float);
}

// Rows from `first` on; past `num_outputs` the last one is repeated. A barrier must follow.
template <class Weights>
__device__ inline void stage_float_rows(
    const uint8_t* weight, int first, int num_outputs, int cols, float* shared) {
  const auto* from = reinterpret_cast<const typename Weights::Stored*>(weight);
  for (int r = 0; r < kFloatRows; ++r) {
    const auto* row = from + static_cast<int64_t>(min(first + r, num_outputs - 1)) * cols;
    float* to = shared + r * float_row_stride(cols);
#pragma unroll 8
    for (int k = threadIdx.x; k < cols; k += blockDim.x) to[k] = Weights::widen(__ldg(row + k));
  }
}

// Calls store(row, token, value) for the staged rows and the tokens [begin, end) of x, rows of
// `cols` floats. A warp takes kTokens tokens at a time.
template <int kTokens, class Store>
__device__ inline void multiply_float_rows(
    const float* shared, const float* x, int cols, int2 tokens, const Store& store) {
  const int lane = threadIdx.x % kLanes;
  const int r = threadIdx.x % 32 / kLanes;
  const float* w = shared + r * float_row_stride(cols);
  const int num_warps = static_cast<int>(blockDim.x) / 32;
  for (int first = tokens.x + static_cast<int>(threadIdx.x) / 32 * kTokens; first < tokens.y;
       first += num_warps * kTokens) {
    float lanes[kTokens] = {};
    const float* rows[kTokens];
#pragma unroll
    for (int t = 0; t < kTokens; ++t)
      rows[t] = x + static_cast<int64_t>(min(first + t, tokens.y - 1)) * cols;
#pragma unroll 8
    for (int k = lane; k < cols; k += kLanes)
#pragma unroll
      for (int t = 0; t < kTokens; ++t) lanes[t] = __fmaf_rn(w[k], rows[t][k], lanes[t]);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const float value = lane_tree(lanes[t]);
      if (lane == 0 && first + t < tokens.y) store(r, first + t, value);
    }
  }
}

}  // namespace shoal::kernels::cuda
