// The row arithmetic of kernels/ops/matmul.h for few activation rows, as a stream: a group of
// threads walks weight rows one after another and always has blocks on their way into registers,
// across the ends of rows, so memory never waits for arithmetic.
//
// A lane (blocks j, j + 8, ...) is shared by kShare threads, which take its blocks in turn. Each
// works out the exact integer sums of its blocks; the lane's chain of fma is then run over the
// blocks of all, in order, by every one of them (values travel by shuffles), so the bits are those
// of a single thread.
#pragma once
#include "kernels/cuda/row_product.cuh"

namespace shoal::kernels::cuda {

// What a block adds to a lane, before the chain.
template <class Codec>
struct BlockTerms {
  static constexpr int kTerms = 32 / Codec::kGroup;
  float scale[kTerms];
  float sum[kTerms];
  float min, x_sum;
};

template <class Codec>
__device__ inline void add_terms(const BlockTerms<Codec>& terms, float& lane) {
#pragma unroll
  for (int i = 0; i < BlockTerms<Codec>::kTerms; ++i)
    lane = __fmaf_rn(terms.scale[i], terms.sum[i], lane);
  if constexpr (Codec::kHasMin) lane = __fmaf_rn(-terms.min, terms.x_sum, lane);
}

// The terms of the thread that is `source` in its warp.
template <class Codec>
__device__ inline BlockTerms<Codec> terms_of(const BlockTerms<Codec>& own, int source) {
  BlockTerms<Codec> out;
#pragma unroll
  for (int i = 0; i < BlockTerms<Codec>::kTerms; ++i) {
    out.scale[i] = __shfl_sync(kWholeWarp, own.scale[i], source);
    out.sum[i] = __shfl_sync(kWholeWarp, own.sum[i], source);
  }
  if constexpr (Codec::kHasMin) {
    out.min = __shfl_sync(kWholeWarp, own.min, source);
    out.x_sum = __shfl_sync(kWholeWarp, own.x_sum, source);
  }
  return out;
}

// kShare threads a lane: 8 * kShare threads a weight row. Whole warps call everything together, and
// all rows have x.num_blocks blocks.
template <class Codec, int kShare, int kAhead>
class RowStream {
 public:
  static constexpr int kThreadsARow = kLanes * kShare;

  __device__ void begin(const SplitRow& row, int num_blocks) {
    num_blocks_ = num_blocks;
#pragma unroll
    for (int a = 0; a < kAhead; ++a) fetch(row, a, a);
  }

  // The lanes of `row`, whose first blocks are on their way already; those of `next` follow them if
  // there is `more`.
  template <class Rows, int kTokens>
  __device__ void accumulate(const SplitRow& row,
                             const SplitRow& next,
                             bool more,
                             const StagedRows<Rows>& x,
                             int num_tokens,
                             float (&lanes)[kTokens]) {
    const int steps = (num_blocks_ + kThreadsARow - 1) / kThreadsARow;
    for (int first = 0; first < steps; first += kAhead) {
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        const int step = first + a;
        WeightBlock w;
        const int j = block_of(step);
        const bool own = step < steps && j < num_blocks_;
        if (own) Codec::unpack(raw_[a], j, w);
        if (step + kAhead < steps)
          fetch(row, step + kAhead, a);
        else if (more && first + kAhead >= steps)
          fetch(next, a, a);
        if (step >= steps) continue;
#pragma unroll
        for (int t = 0; t < kTokens; ++t) {
          if (t >= num_tokens) break;
          BlockTerms<Codec> terms;
          if (own) multiply(w, x, t * num_blocks_ + j, terms);
          chain(terms, step, lanes[t]);
        }
      }
    }
  }

 private:
  __device__ static int place() { return threadIdx.x % kThreadsARow; }
  __device__ static int block_of(int step) { return place() + kThreadsARow * step; }

  __device__ void fetch(const SplitRow& row, int step, int slot) {
    const int j = block_of(step);
    if (j < num_blocks_) Codec::fetch(row, j, raw_[slot]);
  }

  template <class Rows>
  __device__ static void multiply(const WeightBlock& w,
                                  const StagedRows<Rows>& x,
                                  int block,
                                  BlockTerms<Codec>& terms) {
    int sum[2];
    Rows::dot(x.values + block * StagedRows<Rows>::kWordsABlock, w.q, sum);
    const float x_scale = x.scales[block];
    terms.scale[0] = __fmul_rn(w.scale[0], x_scale);
    if constexpr (Codec::kGroup == 32) {
      terms.sum[0] = __int2float_rn(sum[0] + sum[1]);
    } else {
      terms.sum[0] = __int2float_rn(sum[0]);
      terms.scale[1] = __fmul_rn(w.scale[1], x_scale);
      terms.sum[1] = __int2float_rn(sum[1]);
    }
    if constexpr (Codec::kHasMin) {
      terms.min = w.min;
      terms.x_sum = x.sums[block];
    }
  }

  __device__ void chain(const BlockTerms<Codec>& own, int step, float& lane) const {
    if constexpr (kShare == 1) {
      if (block_of(step) < num_blocks_) add_terms<Codec>(own, lane);
    } else {
      const int lane_index = place() % kLanes;
      const int row_in_warp = threadIdx.x % 32 / kThreadsARow * kThreadsARow;
#pragma unroll
      for (int q = 0; q < kShare; ++q) {
        const BlockTerms<Codec> terms = terms_of<Codec>(own, row_in_warp + kLanes * q + lane_index);
        if (lane_index + kLanes * q + kThreadsARow * step < num_blocks_)
          add_terms<Codec>(terms, lane);
      }
    }
  }

  typename Codec::Raw raw_[kAhead];
  int num_blocks_;
};

}  // namespace shoal::kernels::cuda
