// What products by rows are made of: weights as planes, activation rows in shared memory, the exact
// integer dot of a 32-block with either format (dp4a and dp2a). row_stream.cuh walks the rows.
#pragma once
#include "kernels/cuda/async_copy.cuh"
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

// A split matrix, or one of several that follow each other.
struct WeightPlanes {
  const uint8_t* bodies;
  const uint8_t* heads;

  template <class Codec>
  __device__ SplitRow row(int64_t index, int num_blocks) const {
    return {bodies + index * (num_blocks * Codec::kBody256 / 8),
            heads + index * (num_blocks * Codec::kHead256 / 8)};
  }
};

inline WeightPlanes weight_planes(const WeightView& weight) {
  return {reinterpret_cast<const uint8_t*>(weight.data),
          reinterpret_cast<const uint8_t*>(weight.heads)};
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

// Activation rows in shared memory. A block lies an odd number of words from the next, so that
// eight lanes read eight different banks.
template <class Rows>
struct StagedRows {
  static constexpr int kWordsABlock = Rows::kWords + 1;
  int4* values;   // [tokens, num_blocks, kWordsABlock]
  float* scales;  // [tokens, num_blocks]
  float* sums;    // [tokens, num_blocks]
  int num_blocks;

  static constexpr __host__ __device__ size_t bytes(int num_tokens, int num_blocks) {
    return static_cast<size_t>(num_tokens) * num_blocks *
           (kWordsABlock * sizeof(int4) + 2 * sizeof(float));
  }

  __device__ StagedRows(void* shared, int num_tokens, int blocks)
      : values(static_cast<int4*>(shared)),
        scales(reinterpret_cast<float*>(values + num_tokens * blocks * kWordsABlock)),
        sums(scales + num_tokens * blocks),
        num_blocks(blocks) {}

  // row_of(t) is the input row of token t. The whole thread block calls it; a barrier follows.
  template <class RowOf>
  __device__ void load(const RowInput& input, int num_tokens, const RowOf& row_of) {
    for (int t = 0; t < num_tokens; ++t) {
      const int64_t first = static_cast<int64_t>(row_of(t)) * num_blocks;
      const auto* from = static_cast<const int4*>(input.values) + first * Rows::kWords;
      for (int i = threadIdx.x; i < num_blocks * Rows::kWords; i += blockDim.x)
        copy_16_async(
            values + (t * num_blocks + i / Rows::kWords) * kWordsABlock + i % Rows::kWords,
            from + i);
      for (int i = threadIdx.x; i < num_blocks; i += blockDim.x) {
        scales[t * num_blocks + i] = input.scales[first + i];
        sums[t * num_blocks + i] = input.sums[first + i];
      }
    }
    finish_copies();
    __syncthreads();  // everybody's copies have landed before anybody reads them
  }
};

// Blocks in flight a thread: as many as registers allow.
template <class Codec>
inline constexpr int kBlocksAhead = sizeof(typename Codec::Raw) > 48 ? 3 : 4;

}  // namespace shoal::kernels::cuda
