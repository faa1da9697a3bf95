// Products in the row arithmetic of kernels/ops/matmul.h for few activation rows: eight threads a
// weight row, one a lane, so a lane's chain of fma stays in one thread and the tree is a butterfly.
// A thread decodes a 32-block once for all its tokens; integer dots are dp4a and dp2a, exact.
#pragma once
#include "kernels/cuda/block_codecs.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/ops/matmul.h"

namespace shoal::kernels::cuda {

// Activation rows as kernels see them.
struct RowInput {
  const void* values;   // [rows, cols] int8 or int16, 16-byte aligned
  const float* scales;  // [rows, num_blocks]
  const float* sums;    // [rows, num_blocks]
  int num_blocks;       // cols / 32
};

inline RowInput row_input(const ActivationRows& rows) {
  return {rows.values, rows.scales, rows.sums, static_cast<int>(rows.cols / kActivationBlock)};
}

struct Int8Rows {
  // Integer sums of the block's halves of 16 columns.
  __device__ static void dot(const RowInput& input,
                             int64_t block,
                             const int (&q)[8],
                             int (&sum)[2]) {
    const int4* x = static_cast<const int4*>(input.values) + 2 * block;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int4 four = __ldg(x + half);
      int total = __dp4a(q[4 * half], four.x, 0);
      total = __dp4a(q[4 * half + 1], four.y, total);
      total = __dp4a(q[4 * half + 2], four.z, total);
      sum[half] = __dp4a(q[4 * half + 3], four.w, total);
    }
  }
};

struct Int16Rows {
  __device__ static void dot(const RowInput& input,
                             int64_t block,
                             const int (&q)[8],
                             int (&sum)[2]) {
    const int4* x = static_cast<const int4*>(input.values) + 4 * block;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int total = 0;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int4 eight = __ldg(x + 2 * half + i);
        const int first = q[4 * half + 2 * i];
        const int second = q[4 * half + 2 * i + 1];
        total = __dp2a_lo(eight.x, first, total);
        total = __dp2a_hi(eight.y, first, total);
        total = __dp2a_lo(eight.z, second, total);
        total = __dp2a_hi(eight.w, second, total);
      }
      sum[half] = total;
    }
  }
};

// One lane's share of `row` times kTokens activation rows from `first_token` on; tokens from
// `num_tokens` on are left out.
template <class Codec, class Rows, int kTokens>
__device__ inline void accumulate_lane(const uint8_t* row,
                                       const RowInput& input,
                                       int64_t first_token,
                                       int num_tokens,
                                       float (&lanes)[kTokens]) {
#pragma unroll 2
  for (int j = threadIdx.x % kLanes; j < input.num_blocks; j += kLanes) {
    WeightBlock w;
    Codec::load(row, j, w);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      if (t >= num_tokens) continue;
      const int64_t block = (first_token + t) * input.num_blocks + j;
      int sum[2];
      Rows::dot(input, block, w.q, sum);
      const float x_scale = __ldg(input.scales + block);
      if constexpr (Codec::kGroup == 32) {
        lanes[t] =
            __fmaf_rn(__fmul_rn(w.scale[0], x_scale), __int2float_rn(sum[0] + sum[1]), lanes[t]);
      } else {
        lanes[t] = __fmaf_rn(__fmul_rn(w.scale[0], x_scale), __int2float_rn(sum[0]), lanes[t]);
        lanes[t] = __fmaf_rn(__fmul_rn(w.scale[1], x_scale), __int2float_rn(sum[1]), lanes[t]);
      }
      if constexpr (Codec::kHasMin)
        lanes[t] = __fmaf_rn(-w.min, __ldg(input.sums + block), lanes[t]);
    }
  }
}

// Float weights: column k belongs to lane k mod 8.
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

template <class Weights, int kTokens>
__device__ inline void accumulate_float_lane(
    const uint8_t* row, const float* x, int cols, int num_tokens, float (&lanes)[kTokens]) {
  const auto* weights = reinterpret_cast<const typename Weights::Stored*>(row);
#pragma unroll 8
  for (int k = threadIdx.x % kLanes; k < cols; k += kLanes) {
    const float w = Weights::widen(__ldg(weights + k));
#pragma unroll
    for (int t = 0; t < kTokens; ++t)
      if (t < num_tokens)
        lanes[t] = __fmaf_rn(w, __ldg(x + static_cast<int64_t>(t) * cols + k), lanes[t]);
  }
}

// What one launch multiplies: each slot is a weight matrix and the activation rows meant for it.
struct ProductSlot {
  const uint8_t* weight;
  int32_t first_row;
  int32_t num_rows;
};

template <int kSlots>
struct ProductSlots {
  ProductSlot slot[kSlots];
};

struct ProductShape {
  int num_outputs;     // rows of a weight matrix
  int64_t row_stride;  // bytes
  float* output;       // [input rows, num_outputs]
};

inline constexpr int kRowsPerThreadBlock = 16;
inline constexpr int kProductThreads = kRowsPerThreadBlock * kLanes;

// Grid: (ceil(num_outputs / 16), pieces of the tokens, slots).
template <class Codec, class Rows, int kTokens, int kSlots>
__global__ void __launch_bounds__(kProductThreads)
    product_kernel(const __grid_constant__ ProductSlots<kSlots> slots,
                   const __grid_constant__ RowInput input,
                   const __grid_constant__ ProductShape shape) {
  const ProductSlot& slot = slots.slot[blockIdx.z];
  const int out = blockIdx.x * kRowsPerThreadBlock + threadIdx.x / kLanes;
  // Whole warps take part in the tree, so threads past the end repeat the last row.
  const int row = min(out, shape.num_outputs - 1);
  for (int begin = blockIdx.y * kTokens; begin < slot.num_rows; begin += gridDim.y * kTokens) {
    const int num_tokens = min(kTokens, slot.num_rows - begin);
    float lanes[kTokens] = {};
    accumulate_lane<Codec, Rows, kTokens>(
        slot.weight + row * shape.row_stride, input, slot.first_row + begin, num_tokens, lanes);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const float sum = lane_tree(lanes[t]);
      if (t < num_tokens && out < shape.num_outputs && threadIdx.x % kLanes == 0)
        shape.output[static_cast<int64_t>(slot.first_row + begin + t) * shape.num_outputs + out] =
            sum;
    }
  }
}

template <class Weights, int kTokens, int kSlots>
__global__ void __launch_bounds__(kProductThreads)
    float_product_kernel(const __grid_constant__ ProductSlots<kSlots> slots,
                         const float* x,
                         int cols,
                         const __grid_constant__ ProductShape shape) {
  const ProductSlot& slot = slots.slot[blockIdx.z];
  const int out = blockIdx.x * kRowsPerThreadBlock + threadIdx.x / kLanes;
  const int row = min(out, shape.num_outputs - 1);
  for (int begin = blockIdx.y * kTokens; begin < slot.num_rows; begin += gridDim.y * kTokens) {
    const int num_tokens = min(kTokens, slot.num_rows - begin);
    const int64_t first = slot.first_row + begin;
    float lanes[kTokens] = {};
    accumulate_float_lane<Weights, kTokens>(
        slot.weight + row * shape.row_stride, x + first * cols, cols, num_tokens, lanes);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const float sum = lane_tree(lanes[t]);
      if (t < num_tokens && out < shape.num_outputs && threadIdx.x % kLanes == 0)
        shape.output[(first + t) * shape.num_outputs + out] = sum;
    }
  }
}

}  // namespace shoal::kernels::cuda
