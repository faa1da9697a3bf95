// Float weights in the row arithmetic of kernels/ops/matmul.h: column k belongs to lane k mod 8. A
// thread block keeps a few weight rows in shared memory as f32 and walks the tokens.
#pragma once
#include "kernels/cuda/block_codecs.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/row_product.cuh"

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

// Rows from `first` on; past `num_outputs` the last one is repeated. F32 rows travel by themselves:
// finish_copies() and a barrier must follow.
template <class Weights>
__device__ inline void stage_float_rows(
    const uint8_t* weight, int first, int num_outputs, int cols, float* shared) {
  const auto* from = reinterpret_cast<const typename Weights::Stored*>(weight);
  constexpr bool kWhole = sizeof(typename Weights::Stored) == sizeof(float);
  for (int r = 0; r < kFloatRows; ++r) {
    const auto* row = from + static_cast<int64_t>(min(first + r, num_outputs - 1)) * cols;
    float* to = shared + r * float_row_stride(cols);
    if (kWhole && cols % 4 == 0) {
      for (int k = 4 * threadIdx.x; k < cols; k += 4 * blockDim.x) copy_16_async(to + k, row + k);
    } else {
#pragma unroll 8
      for (int k = threadIdx.x; k < cols; k += blockDim.x) to[k] = Weights::widen(__ldg(row + k));
    }
  }
}

}  // namespace shoal::kernels::cuda
