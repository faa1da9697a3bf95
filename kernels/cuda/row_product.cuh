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
  static constexpr int kWords = 2;  // 16-byte words of a 32-block
  // Integer sums of the block's halves of 16 columns.
  __device__ static void dot(const int4* x, const int (&q)[8], int (&sum)[2]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int4 four = x[half];
      int total = __dp4a(q[4 * half], four.x, 0);
      total = __dp4a(q[4 * half + 1], four.y, total);
      total = __dp4a(q[4 * half + 2], four.z, total);
      sum[half] = __dp4a(q[4 * half + 3], four.w, total);
    }
  }
};

struct Int16Rows {
  static constexpr int kWords = 4;
  __device__ static void dot(const int4* x, const int (&q)[8], int (&sum)[2]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int total = 0;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int4 eight = x[2 * half + i];
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

__device__ inline void copy_16_async(void* to_shared, const void* from) {
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(to_shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}

// Rows of blocks on their way through shared memory: device memory is read in whole lines while
// the chunk before is multiplied; a block's odd places cost nothing there. Each eight threads have
// the two buffers of their own row.
template <class Codec, int kRows, int k256s>
struct RowStages {
  static constexpr int kChunkBlocks = 8 * k256s;
  static constexpr int kChunkBytes = k256s * Codec::kBytes256;
  // Room for a row that begins off a 16-byte word; an odd number of words, against bank conflicts.
  static constexpr int kWords = (kChunkBytes + 15 + 15) / 16 | 1;
  uint4 words[kRows][2][kWords];

  // Where chunk `index` begins inside its buffer.
  __device__ static unsigned shift(const uint8_t* row, int index) {
    return (reinterpret_cast<uintptr_t>(row) + static_cast<unsigned>(index) * kChunkBytes) % 16;
  }

  __device__ const uint8_t* chunk(int own, const uint8_t* row, int index) const {
    return reinterpret_cast<const uint8_t*>(words[own][index % 2]) + shift(row, index);
  }

  __device__ void begin_copy(int own, const uint8_t* row, int row_bytes, int index) {
    const int begin = index * kChunkBytes;
    const int bytes = min(kChunkBytes, row_bytes - begin);
    const int off = static_cast<int>(shift(row, index));
    const uint8_t* from = row + begin - off;
    for (int i = threadIdx.x % kLanes; 16 * i < off + bytes; i += kLanes)
      copy_16_async(&words[own][index % 2][i], from + 16 * i);
  }
};

// The activations of the same chunks, shared by the thread block. A block lies an odd number of
// words from the next, so that eight lanes read eight different banks.
template <class Rows, int kTokens, int k256s>
struct InputStages {
  static constexpr int kChunkBlocks = 8 * k256s;
  int4 words[2][kTokens][kChunkBlocks][Rows::kWords + 1];

  __device__ void begin_copy(const RowInput& input,
                             int64_t first_token,
                             int num_tokens,
                             int index) {
    const int first = index * kChunkBlocks;
    for (int i = threadIdx.x; i < kTokens * kChunkBlocks * Rows::kWords; i += blockDim.x) {
      const int word = i % Rows::kWords;
      const int block = i / Rows::kWords % kChunkBlocks;
      const int token = i / (Rows::kWords * kChunkBlocks);
      if (first + block >= input.num_blocks || token >= num_tokens) continue;
      const int64_t from = (first_token + token) * input.num_blocks + first + block;
      copy_16_async(&words[index % 2][token][block][word],
                    static_cast<const int4*>(input.values) + from * Rows::kWords + word);
    }
  }
};

template <class Codec, class Rows, int kTokens, int kRows, int k256s>
struct ProductStages {
  static constexpr int kChunkBlocks = 8 * k256s;
  RowStages<Codec, kRows, k256s> weights;
  InputStages<Rows, kTokens, k256s> input;
};

// One lane's share of `row` times kTokens activation rows from `first_token` on; tokens from
// `num_tokens` on are left out. The whole thread block calls it together.
template <class Codec, class Rows, int kTokens, class Stages>
__device__ inline void accumulate_lane(const uint8_t* row,
                                       const RowInput& input,
                                       int64_t first_token,
                                       int num_tokens,
                                       Stages& stages,
                                       float (&lanes)[kTokens]) {
  const int own = threadIdx.x / kLanes;
  const int row_bytes = input.num_blocks * Codec::kBytes256 / 8;
  const int num_chunks = (input.num_blocks + Stages::kChunkBlocks - 1) / Stages::kChunkBlocks;
  const auto begin_copy = [&](int index) {
    if (index < num_chunks) {
      stages.weights.begin_copy(own, row, row_bytes, index);
      stages.input.begin_copy(input, first_token, num_tokens, index);
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
  };
  begin_copy(0);
  for (int index = 0; index < num_chunks; ++index) {
    begin_copy(index + 1);
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    __syncthreads();  // everybody's copies of this chunk have landed before anybody reads them
    const uint8_t* chunk = stages.weights.chunk(own, row, index);
    const int first = index * Stages::kChunkBlocks;
    const int end = min(input.num_blocks - first, Stages::kChunkBlocks);
#pragma unroll 2
    for (int j = threadIdx.x % kLanes; j < end; j += kLanes) {
      WeightBlock w;
      Codec::load(chunk, j, w);
#pragma unroll
      for (int t = 0; t < kTokens; ++t) {
        if (t >= num_tokens) continue;
        const int64_t block = (first_token + t) * input.num_blocks + first + j;
        int sum[2];
        Rows::dot(stages.input.words[index % 2][t][j], w.q, sum);
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
    __syncthreads();  // the chunk has been read before a later copy overwrites its buffers
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
  __shared__ ProductStages<Codec, Rows, kTokens, kRowsPerThreadBlock, 4> stages;
  const ProductSlot& slot = slots.slot[blockIdx.z];
  const int out = blockIdx.x * kRowsPerThreadBlock + threadIdx.x / kLanes;
  // Whole warps take part in the tree, so threads past the end repeat the last row.
  const int row = min(out, shape.num_outputs - 1);
  for (int begin = blockIdx.y * kTokens; begin < slot.num_rows; begin += gridDim.y * kTokens) {
    const int num_tokens = min(kTokens, slot.num_rows - begin);
    float lanes[kTokens] = {};
    accumulate_lane<Codec, Rows, kTokens>(slot.weight + row * shape.row_stride,
                                          input,
                                          slot.first_row + begin,
                                          num_tokens,
                                          stages,
                                          lanes);
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
