// Products in the row arithmetic of kernels/ops/matmul.h for many activation rows, on the integer
// tensor cores: one m16n8k32 product is the exact integer sums of one 32-block for 16 weight rows
// and 8 tokens. Eight warps share a tile, each takes the blocks of one lane and keeps that lane's
// chain of fma for the whole tile; at the end the lanes are added in the fixed tree.
// int16 activations go as a signed high and an unsigned low byte: sum = 256 * high + low, exact.
//
// Places in a product (g = thread / 4, t = thread % 4 inside a warp): the thread holds words t and
// 4 + t of weight rows g and g + 8 and of token g, and gets the sums of rows g and g + 8 with
// tokens 2 t and 2 t + 1.
#pragma once
#include "kernels/cuda/row_product.cuh"

namespace shoal::kernels::cuda {

inline constexpr int kTileWarps = kLanes;
inline constexpr int kTileThreads = 32 * kTileWarps;
inline constexpr int kTileRows = 32;  // weight rows: two products of 16
inline constexpr int kRowPieces = kTileRows / 16;

// One token's share of a product's second operand, for both halves of a block.
struct TokenOperand {
  uint32_t low[2];
  uint32_t high[2];  // int16 only
};

// [0], [1]: row g, tokens 2 t and 2 t + 1; [2], [3]: row g + 8.
using TileSums = int[4];
using TileLanes = float[4];

template <bool kUnsigned>
__device__ inline void multiply_block(const WeightPair (&w)[2],
                                      const uint32_t (&x)[2],
                                      TileSums& sum) {
  if constexpr (kUnsigned)
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},"
        "{%0,%1,%2,%3};"
        : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
        : "r"(w[0].q[0]), "r"(w[1].q[0]), "r"(w[0].q[1]), "r"(w[1].q[1]), "r"(x[0]), "r"(x[1]));
  else
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},"
        "{%0,%1,%2,%3};"
        : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
        : "r"(w[0].q[0]), "r"(w[1].q[0]), "r"(w[0].q[1]), "r"(w[1].q[1]), "r"(x[0]), "r"(x[1]));
}

// Half a block: 16 columns, for types with a scale per 16.
template <bool kUnsigned>
__device__ inline void multiply_half(const WeightPair (&w)[2],
                                     int half,
                                     uint32_t x,
                                     TileSums& sum) {
  if constexpr (kUnsigned)
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.u8.s32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
        : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
        : "r"(w[0].q[half]), "r"(w[1].q[half]), "r"(x));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
        : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
        : "r"(w[0].q[half]), "r"(w[1].q[half]), "r"(x));
}

// How rows of a format are loaded and multiplied in a tile.
template <class Rows>
struct TileRows;

template <>
struct TileRows<Int8Rows> {
  __device__ static TokenOperand load(const RowInput& input, int64_t block, int t) {
    const auto* x = static_cast<const uint32_t*>(input.values) + 8 * block + t;
    return {{__ldg(x), __ldg(x + 4)}, {}};
  }
  __device__ static void sums(const WeightPair (&w)[2], const TokenOperand& x, TileSums& sum) {
    multiply_block<false>(w, x.low, sum);
  }
  __device__ static void half_sums(const WeightPair (&w)[2],
                                   int half,
                                   const TokenOperand& x,
                                   TileSums& sum) {
    multiply_half<false>(w, half, x.low[half], sum);
  }
};

template <>
struct TileRows<Int16Rows> {
  __device__ static TokenOperand load(const RowInput& input, int64_t block, int t) {
    const auto* x = static_cast<const uint2*>(input.values) + 8 * block + t;
    TokenOperand out;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const uint2 four = __ldg(x + 4 * half);
      out.low[half] = __byte_perm(four.x, four.y, 0x6420);
      out.high[half] = __byte_perm(four.x, four.y, 0x7531);
    }
    return out;
  }
  __device__ static void sums(const WeightPair (&w)[2], const TokenOperand& x, TileSums& sum) {
    multiply_block<false>(w, x.high, sum);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] *= 256;
    multiply_block<true>(w, x.low, sum);
  }
  __device__ static void half_sums(const WeightPair (&w)[2],
                                   int half,
                                   const TokenOperand& x,
                                   TileSums& sum) {
    multiply_half<false>(w, half, x.high[half], sum);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] *= 256;
    multiply_half<true>(w, half, x.low[half], sum);
  }
};

// Where a tile lies. Weight rows past the end repeat the last one; `input_rows` (shared memory)
// names an input row for each of the tile's token places.
struct TilePlace {
  WeightPlanes weight;
  int first_row, num_rows;
  const int32_t* input_rows;
  int num_tokens;
};

// One lane of the tile in each warp.
template <class Codec, class Rows, int kTokenPieces>
__device__ inline void accumulate_tile(const TilePlace& place,
                                       const RowInput& input,
                                       TileLanes (&lanes)[kRowPieces][kTokenPieces]) {
  const int g = threadIdx.x % 32 / 4;
  const int t = threadIdx.x % 4;
  SplitRow rows[kRowPieces][2];
#pragma unroll
  for (int r = 0; r < kRowPieces; ++r)
#pragma unroll
    for (int h = 0; h < 2; ++h)
      rows[r][h] = place.weight.row<Codec>(
          min(place.first_row + 16 * r + 8 * h + g, place.num_rows - 1), input.num_blocks);
  for (int j = threadIdx.x / 32; j < input.num_blocks; j += kLanes) {
    WeightPair w[kRowPieces][2];
#pragma unroll
    for (int r = 0; r < kRowPieces; ++r)
#pragma unroll
      for (int h = 0; h < 2; ++h) Codec::load_pair(rows[r][h], j, t, w[r][h]);
#pragma unroll
    for (int n = 0; n < kTokenPieces; ++n) {
      if (8 * n >= place.num_tokens) break;
      const auto block_of = [&](int token) {
        return static_cast<int64_t>(place.input_rows[8 * n + token]) * input.num_blocks + j;
      };
      const TokenOperand x = TileRows<Rows>::load(input, block_of(g), t);
      const int64_t blocks[2] = {block_of(2 * t), block_of(2 * t + 1)};
      const float x_scale[2] = {__ldg(input.scales + blocks[0]), __ldg(input.scales + blocks[1])};
      float x_sum[2] = {};
      if constexpr (Codec::kHasMin) {
        x_sum[0] = __ldg(input.sums + blocks[0]);
        x_sum[1] = __ldg(input.sums + blocks[1]);
      }
#pragma unroll
      for (int r = 0; r < kRowPieces; ++r) {
        TileLanes& lane = lanes[r][n];
#pragma unroll
        for (int half = 0; half < 32 / Codec::kGroup; ++half) {
          TileSums sum = {};
          if constexpr (Codec::kGroup == 32)
            TileRows<Rows>::sums(w[r], x, sum);
          else
            TileRows<Rows>::half_sums(w[r], half, x, sum);
#pragma unroll
          for (int i = 0; i < 4; ++i)
            lane[i] = __fmaf_rn(__fmul_rn(w[r][i / 2].scale[half], x_scale[i % 2]),
                                __int2float_rn(sum[i]),
                                lane[i]);
        }
        if constexpr (Codec::kHasMin)
#pragma unroll
          for (int i = 0; i < 4; ++i) lane[i] = __fmaf_rn(-w[r][i / 2].min, x_sum[i % 2], lane[i]);
      }
    }
  }
}

template <int kTokenPieces>
struct TileScratch {
  float values[kTileWarps / 2][kRowPieces * kTokenPieces * 4][32];
};

// Adds the eight warps' lanes in the tree ((0+1)+(2+3)) + ((4+5)+(6+7)); warp 0 gets the result.
template <int kTokenPieces>
__device__ inline void add_tile_lanes(TileLanes (&lanes)[kRowPieces][kTokenPieces],
                                      TileScratch<kTokenPieces>& scratch) {
  const int warp = threadIdx.x / 32;
  const int thread = threadIdx.x % 32;
  float* own = &lanes[0][0][0];
#pragma unroll
  for (int step = 1; step < kTileWarps; step *= 2) {
    const bool gives = warp % (2 * step) == step;
    const bool takes = warp % (2 * step) == 0;
    auto& values = scratch.values[warp / (2 * step)];
    if (gives)
#pragma unroll
      for (int i = 0; i < kRowPieces * kTokenPieces * 4; ++i) values[i][thread] = own[i];
    __syncthreads();  // the upper partner's lanes are written before the lower one reads them
    if (takes)
#pragma unroll
      for (int i = 0; i < kRowPieces * kTokenPieces * 4; ++i) own[i] = own[i] + values[i][thread];
    __syncthreads();  // they are read before the next step or tile overwrites them
  }
}

// Calls store(row, token, value) for everything in the tile, from warp 0.
template <int kTokenPieces, class Store>
__device__ inline void store_tile(const TilePlace& place,
                                  const TileLanes (&sums)[kRowPieces][kTokenPieces],
                                  const Store& store) {
  if (threadIdx.x >= 32) return;
  const int g = threadIdx.x / 4;
  const int t = threadIdx.x % 4;
#pragma unroll
  for (int r = 0; r < kRowPieces; ++r)
#pragma unroll
    for (int n = 0; n < kTokenPieces; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = 16 * r + 8 * (i / 2) + g;
        const int token = 8 * n + 2 * t + i % 2;
        if (place.first_row + row < place.num_rows && token < place.num_tokens)
          store(row, token, sums[r][n][i]);
      }
}

}  // namespace shoal::kernels::cuda
