// Products of one or two activation rows by slabs: as many neighbouring weight rows as give every
// thread of a thread block one 32-block of them. A slab is contiguous in either plane, so it comes
// into shared memory as two bulk copies, asked for before the inputs are waited for. A thread has
// the same columns in every slab, so its piece of the activations stays in registers.
//
// Each thread turns its block into the terms of the row arithmetic (kernels/ops/matmul.h); then
// eight threads a row, one a lane, chain the terms in block order. So the bits are those of one
// thread a lane, while the integer sums of a row take one turn.
#pragma once
#include "kernels/cuda/bulk_copy.cuh"
#include "kernels/cuda/row_product.cuh"
#include "kernels/cuda/shared_row.cuh"

namespace shoal::kernels::cuda {

inline constexpr int kLog2SlabThreads = 9;
inline constexpr int kSlabThreads = 1 << kLog2SlabThreads;

template <class Codec>
struct Slab {
  static constexpr int kBodyBytes = kSlabThreads / 8 * Codec::kBody256;
  static constexpr int kHeadBytes = kSlabThreads / 8 * Codec::kHead256;
  static constexpr int kBytes = kBodyBytes + kHeadBytes;
  // fma steps that a block adds to its lane.
  static constexpr int kSteps = 32 / Codec::kGroup + (Codec::kHasMin ? 1 : 0);
};

// Rows of `num_blocks` 32-blocks, a power of two, and how many of them are a slab.
struct SlabShape {
  int num_blocks, log2_blocks;

  __host__ __device__ explicit SlabShape(int blocks) : num_blocks(blocks), log2_blocks(0) {
    while (1 << log2_blocks < blocks) ++log2_blocks;
  }
  __host__ __device__ int rows() const { return kSlabThreads >> log2_blocks; }
  __host__ __device__ int log2_rows() const { return kLog2SlabThreads - log2_blocks; }
  // Of this thread, in any slab.
  __device__ int block() const { return static_cast<int>(threadIdx.x) & (num_blocks - 1); }
  __device__ int row() const { return static_cast<int>(threadIdx.x) >> log2_blocks; }
};

// Whether rows of this many blocks can go by slabs: whole blocks of eight lanes, whole warps of
// rows.
inline bool fits_slabs(int num_blocks) {
  return num_blocks >= kLanes && num_blocks <= kSlabThreads / 2 && kSlabThreads % num_blocks == 0;
}

// A 32-block of an activation row, in registers.
template <class Rows>
struct InputBlock {
  int4 words[Rows::kWords];
  float scale, sum;

  __device__ void load(const RowInput& input, int64_t block) {
    const auto* from = static_cast<const int4*>(input.values) + block * Rows::kWords;
#pragma unroll
    for (int i = 0; i < Rows::kWords; ++i) words[i] = from[i];
    scale = input.scales[block];
    sum = input.sums[block];
  }
};

// Asks for rows [first_row, first_row + rows) of a matrix, by one thread. `arrival` has been told
// of their bytes.
template <class Codec>
__device__ inline void copy_slab(uint8_t* to,
                                 const WeightPlanes& weight,
                                 int first_row,
                                 int rows,
                                 int num_blocks,
                                 Arrival* arrival) {
  const SplitRow from = weight.row<Codec>(first_row, num_blocks);
  copy_bulk(to, from.bodies, rows * (num_blocks / 8) * Codec::kBody256, arrival);
  copy_bulk(
      to + Slab<Codec>::kBodyBytes, from.heads, rows * (num_blocks / 8) * Codec::kHead256, arrival);
}

template <class Codec>
__device__ inline unsigned slab_bytes(int rows, int num_blocks) {
  return rows * (num_blocks / 8) * (Codec::kBody256 + Codec::kHead256);
}

// Terms of a slab in shared memory: [rows][num_blocks][kSteps] pairs (factor, value), rows 64 bytes
// off a multiple of 128, so that four rows of eight lanes meet no bank twice.
template <class Codec>
struct SlabTerms {
  float2* pairs;
  SlabShape shape;

  static __host__ __device__ int row_stride(const SlabShape& shape) {
    return shape.num_blocks * Slab<Codec>::kSteps + 8;
  }
  static __host__ __device__ int bytes(const SlabShape& shape) {
    return shape.rows() * row_stride(shape) * static_cast<int>(sizeof(float2));
  }

  // A block's terms, at this thread's place.
  __device__ void put(const WeightBlock& w, const int (&sum)[2], float x_scale, float x_sum) const {
    constexpr int kSteps = Slab<Codec>::kSteps;
    float2 step[kSteps];
    if constexpr (Codec::kGroup == 32) {
      step[0] = {__fmul_rn(w.scale[0], x_scale), __int2float_rn(sum[0] + sum[1])};
    } else {
      step[0] = {__fmul_rn(w.scale[0], x_scale), __int2float_rn(sum[0])};
      step[1] = {__fmul_rn(w.scale[1], x_scale), __int2float_rn(sum[1])};
    }
    if constexpr (Codec::kHasMin) step[kSteps - 1] = {-w.min, x_sum};
    float2* const to = pairs + shape.row() * row_stride(shape) + shape.block() * kSteps;
    if constexpr (kSteps == 2)
      *reinterpret_cast<float4*>(to) = {step[0].x, step[0].y, step[1].x, step[1].y};
    else
#pragma unroll
      for (int i = 0; i < kSteps; ++i) to[i] = step[i];
  }

  // The product of a row, by eight neighbouring threads of a whole warp; all get it.
  __device__ float row(int row) const {
    constexpr int kSteps = Slab<Codec>::kSteps;
    const float2* from =
        pairs + row * row_stride(shape) + static_cast<int>(threadIdx.x) % kLanes * kSteps;
    float lane = 0.0f;
#pragma unroll 8
    for (int k = 0; k < shape.num_blocks; k += kLanes)
#pragma unroll
      for (int i = 0; i < kSteps; ++i) {
        const float2 step = from[k * kSteps + i];
        lane = __fmaf_rn(step.x, step.y, lane);
      }
    return lane_tree(lane);
  }
};

// This thread's block of the slab at `weights`, with the same block of each token; terms_of(token)
// is where they go.
template <class Codec, class Rows, int kTokens, class TermsOf>
__device__ inline void put_terms(const uint8_t* weights,
                                 const InputBlock<Rows> (&x)[kTokens],
                                 const SlabShape& shape,
                                 const TermsOf& terms_of) {
  const int eights = shape.num_blocks / 8;
  const SharedRow from = {
      {weights + shape.row() * eights * Codec::kBody256},
      {weights + Slab<Codec>::kBodyBytes + shape.row() * eights * Codec::kHead256}};
  typename Codec::Raw raw;
  WeightBlock w;
  Codec::fetch(from, shape.block(), raw);
  Codec::unpack(raw, shape.block(), w);
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    int sum[2];
    Rows::dot(x[t].words, w.q, sum);
    terms_of(t).put(w, sum, x[t].scale, x[t].sum);
  }
}

}  // namespace shoal::kernels::cuda
