// Products in the row arithmetic of kernels/ops/matmul.h for many activation rows, on the integer
// tensor cores: one m16n8k32 product is the exact integer sums of one 32-block for 16 weight rows
// and 8 tokens. A warp takes the blocks of one lane and keeps that lane's chain of fma for the
// whole tile; at the end the lanes are added in the fixed tree.
//
// The columns come in stages of 256, a block for each lane. Weights and activations of a few
// stages are on their way into shared memory (cp.async) while one is multiplied; types that are not
// plain int8 are decoded to it there, once a tile and one stage ahead.
#pragma once
#include <type_traits>

#include "kernels/cuda/shared_row.cuh"
#include "kernels/cuda/tile_operands.cuh"

namespace shoal::kernels::cuda {

// A warp has kRowPieces x kTokenPieces products of 16 x 8; kHalves warps share a lane, each with
// every kHalves-th piece of the tokens.
template <int kRowPieces_, int kTokenPieces_, int kHalves_, int kStages_, int kBlocksASm_>
struct TileShape {
  static constexpr int kRowPieces = kRowPieces_;
  static constexpr int kTokenPieces = kTokenPieces_;
  static constexpr int kHalves = kHalves_;
  static constexpr int kStages = kStages_;
  static constexpr int kBlocksASm = kBlocksASm_;
  static constexpr int kRows = 16 * kRowPieces;
  static constexpr int kTokens = 8 * kTokenPieces * kHalves;
  static constexpr int kWarps = kLanes * kHalves;
  static constexpr int kThreads = 32 * kWarps;
};

// The weight rows of a tile: kMatrices matrices' rows from `first_row` on, kRows / kMatrices each.
template <int kMatrices>
struct TileWeights {
  WeightPlanes planes[kMatrices];
  int first_row, num_rows;
};

// One tile, by one thread block. The order of calls: request_weights(), accumulate(), finish(); a
// barrier before the next tile's.
template <class Codec, class Rows, class Shape, int kMatrices>
class TileProduct {
 public:
  using Lanes = TileLanes[Shape::kRowPieces][Shape::kTokenPieces];
  // Neighbouring rows that a thread has: of each matrix, where there are two.
  static constexpr int kRun = 2 * Shape::kRowPieces / kMatrices;

  static __host__ __device__ size_t bytes(int num_blocks) {
    const size_t pipeline = kHeadsAt + heads_bytes(num_blocks);
    const size_t lanes = sizeof(float) * kLanes * Shape::kRows * Shape::kTokens;
    return pipeline > lanes ? pipeline : lanes;
  }

  __device__ TileProduct(void* shared, const TileWeights<kMatrices>& weights, const RowInput& input)
      : shared_(static_cast<uint8_t*>(shared)),
        weights_(weights),
        input_(input),
        num_blocks_(input.num_blocks),
        num_stages_((input.num_blocks + kLanes - 1) / kLanes) {}

  // Sends for what does not depend on an earlier kernel.
  __device__ void request_weights() const {
    copy_heads();
    for (int row = threadIdx.x; row < Shape::kRows; row += Shape::kThreads) {
      const int index =
          min(weights_.first_row + static_cast<int>(index_of(row)), weights_.num_rows - 1);
      const uint8_t* bodies = kMatrices == 1 || matrix_of(row) == 0
                                  ? weights_.planes[0].bodies
                                  : weights_.planes[kMatrices - 1].bodies;
      body_of_row()[row] =
          bodies + static_cast<int64_t>(index) * (num_blocks_ * (Codec::kBody256 / kLanes));
    }
    __syncthreads();  // all rows' places are known
#pragma unroll
    for (int stage = 0; stage < kRawSlots; ++stage) copy_weights(stage, stage);
  }

  // row_of(token) is an input row. Tokens past num_tokens come out as anything.
  template <class RowOf>
  __device__ void accumulate(int num_tokens, const RowOf& row_of, Lanes& lanes) const {
    for (int token = threadIdx.x; token < Shape::kTokens; token += Shape::kThreads)
      block_of_token()[token] =
          static_cast<uint32_t>(row_of(min(token, num_tokens - 1))) * num_blocks_;
    __syncthreads();  // all tokens' places are known

    // In the first group are the weights that were sent for as well.
#pragma unroll
    for (int stage = 0; stage < Shape::kStages; ++stage) {
      copy_tokens(stage, num_tokens, stage);
      end_copy_group();
    }
    await_copy_groups<Shape::kStages - 1>();
    __syncthreads();  // heads and first weights have landed before all decode them
    prepare(0, 0);
    // Slots of this stage's, and of the stage before.
    int raw = 0, tokens = 0, raw_before = kRawSlots - 1, tokens_before = Shape::kStages - 1;
    for (int stage = 0; stage < num_stages_; ++stage) {
      // Everybody's copies of this stage's activations and, decoded types, of the next stage's
      // weights have landed; this stage is prepared; the stage before has been read for good.
      await_copy_groups<Shape::kStages - (kDecodes ? 3 : 2)>();
      __syncthreads();
      const int ahead = stage + Shape::kStages - 1;
      const int raw_next = raw + 1 == kRawSlots ? 0 : raw + 1;
      if (ahead < num_stages_) {
        if (kDecodes)
          copy_weights(ahead, raw);
        else if (stage > 0)
          copy_weights(ahead, raw_before);
        if (stage > 0) copy_tokens(ahead, num_tokens, tokens_before);
      }
      end_copy_group();
      prepare(stage + 1, raw_next);
      multiply(stage, num_tokens, {raw, tokens}, lanes);
      raw_before = raw;
      raw = raw_next;
      tokens_before = tokens;
      tokens = tokens + 1 == Shape::kStages ? 0 : tokens + 1;
    }
  }

  // Adds the lanes and calls store(row, token, values) for runs of kRun rows of each matrix from
  // first_row + row on: values[i] is of row i, values[kRun + i] of the second matrix's.
  template <class Store>
  __device__ void finish(int num_tokens, const Lanes& lanes, const Store& store) const {
    constexpr int kPieces = Shape::kHalves * Shape::kTokenPieces;
    const int warp = threadIdx.x / 32, thread = threadIdx.x % 32;
    auto* all = reinterpret_cast<float4*>(shared_);  // [lane][token piece][row piece][thread]
    __syncthreads();                                 // the last stage has been read
#pragma unroll
    for (int n = 0; n < Shape::kTokenPieces; ++n)
#pragma unroll
      for (int r = 0; r < Shape::kRowPieces; ++r) {
        const int piece = n * Shape::kHalves + warp / kLanes;
        const TileLanes& four = lanes[r][n];
        all[((warp % kLanes * kPieces + piece) * Shape::kRowPieces + r) * 32 + thread] =
            make_float4(four[0], four[1], four[2], four[3]);
      }
    __syncthreads();  // every lane is written before they are added
    for (int piece = warp; piece < kPieces; piece += Shape::kWarps) {
      if (8 * piece >= num_tokens) break;
      float values[2][2 * Shape::kRowPieces];  // [token]
#pragma unroll
      for (int r = 0; r < Shape::kRowPieces; ++r) {
        float4 lane[kLanes];
#pragma unroll
        for (int l = 0; l < kLanes; ++l)
          lane[l] = all[((l * kPieces + piece) * Shape::kRowPieces + r) * 32 + thread];
        values[0][2 * r] = tree(lane, [](const float4& four) { return four.x; });
        values[1][2 * r] = tree(lane, [](const float4& four) { return four.y; });
        values[0][2 * r + 1] = tree(lane, [](const float4& four) { return four.z; });
        values[1][2 * r + 1] = tree(lane, [](const float4& four) { return four.w; });
      }
#pragma unroll
      for (int e = 0; e < 2; ++e)
        if (const int token = 8 * piece + 2 * (thread % 4) + e; token < num_tokens)
          store(thread / 4 * kRun, token, values[e]);
    }
  }

 private:
  static constexpr bool kDecodes = !std::is_same_v<Codec, Q8_0>;
  static_assert(Shape::kStages >= (kDecodes ? 3 : 2));
  static_assert(Shape::kRows * kLanes % Shape::kThreads == 0);
  static constexpr int kRawSlots = kDecodes ? Shape::kStages - 1 : Shape::kStages;
  static constexpr int kScales = 32 / Codec::kGroup + (Codec::kHasMin ? 1 : 0);  // of a block
  static constexpr int kRowStride = kStageColumns + 16;  // of int8 rows: no bank conflicts
  static constexpr int kScaleStride = Shape::kRows + 4;  // floats
  static constexpr int kTokenScaleStride = Shape::kTokens + 4;

  static constexpr int kRawBytes = Shape::kRows * (kDecodes ? Codec::kBody256 : kRowStride);
  static constexpr int kTokenBytes = Shape::kTokens * TokenWords<Rows>::kStride;
  static constexpr int kTokenScaleBytes = 4 * kLanes * kTokenScaleStride * (Codec::kHasMin ? 2 : 1);
  static constexpr int kDecodedBytes = kDecodes ? Shape::kRows * kRowStride : 0;
  static constexpr int kScaleBytes = 4 * kLanes * kScaleStride * kScales;

  // Where the rows' bodies begin, and the tokens' first blocks.
  static constexpr int kBlocksOfTokensAt = 8 * Shape::kRows;
  static constexpr int kRawAt = kBlocksOfTokensAt + (4 * Shape::kTokens + 15) / 16 * 16;
  static constexpr int kTokensAt = kRawAt + kRawSlots * kRawBytes;
  static constexpr int kTokenScalesAt = kTokensAt + Shape::kStages * kTokenBytes;
  static constexpr int kDecodedAt = kTokenScalesAt + Shape::kStages * kTokenScaleBytes;
  static constexpr int kScalesAt = kDecodedAt + 2 * kDecodedBytes;
  static constexpr int kHeadsAt = kScalesAt + 2 * kScaleBytes;
  static_assert(kRawAt % 16 == 0 && kTokensAt % 16 == 0 && kTokenScalesAt % 16 == 0 &&
                kDecodedAt % 16 == 0 && kScalesAt % 16 == 0 && kHeadsAt % 16 == 0);

  static __host__ __device__ int head_stride(int num_blocks) {
    return num_blocks * Codec::kHead256 / kLanes;
  }
  // Every matrix's rows, each matrix's from a 16-byte boundary on.
  static __host__ __device__ int heads_bytes_of_matrix(int num_blocks) {
    return (Shape::kRows / kMatrices * head_stride(num_blocks) + 15) / 16 * 16;
  }
  static __host__ __device__ int heads_bytes(int num_blocks) {
    return kMatrices * heads_bytes_of_matrix(num_blocks);
  }

  // Shares [0, kCount) among the threads.
  template <unsigned kCount, class Body>
  __device__ static void each_of(const Body& body) {
#pragma unroll
    for (unsigned first = 0; first < kCount; first += Shape::kThreads)
      if (const unsigned i = first + threadIdx.x; first + Shape::kThreads <= kCount || i < kCount)
        body(i);
  }

  __device__ unsigned shared_address(int offset) const {
    return static_cast<unsigned>(__cvta_generic_to_shared(shared_)) + offset;
  }
  __device__ const uint8_t** body_of_row() const {
    return reinterpret_cast<const uint8_t**>(shared_);
  }
  __device__ uint32_t* block_of_token() const {
    return reinterpret_cast<uint32_t*>(shared_ + kBlocksOfTokensAt);
  }

  // Row 2 R g + i of the tile is the product's row g of its i-th eight, so that a thread has
  // neighbours; of two matrices the first R of them belong to the first.
  __device__ static unsigned matrix_of(unsigned row) { return row / kRun % kMatrices; }
  __device__ static unsigned index_of(unsigned row) {
    return row / (kMatrices * kRun) * kRun + row % kRun;
  }
  __device__ static unsigned place_of(unsigned row) {
    constexpr unsigned kEights = 2 * Shape::kRowPieces;
    return row % kEights * 8 + row / kEights;
  }

  __device__ void copy_heads() const {
    const int stride = head_stride(num_blocks_);
    const int num_bytes =
        min(Shape::kRows / kMatrices, weights_.num_rows - weights_.first_row) * stride;
#pragma unroll
    for (int m = 0; m < kMatrices; ++m) {
      const uint8_t* from =
          weights_.planes[m].heads + static_cast<int64_t>(weights_.first_row) * stride;
      uint8_t* to = shared_ + kHeadsAt + m * heads_bytes_of_matrix(num_blocks_);
      const int whole = reinterpret_cast<uintptr_t>(from) % 16 == 0 ? num_bytes / 16 * 16 : 0;
      for (int i = 16 * static_cast<int>(threadIdx.x); i < whole; i += 16 * Shape::kThreads)
        copy_16_async(to + i, from + i);
      for (int i = whole + static_cast<int>(threadIdx.x); i < num_bytes; i += Shape::kThreads)
        to[i] = __ldg(from + i);
    }
  }

  // Rows past the end are the last one again. Only the last stage may have fewer than eight blocks.
  __device__ void copy_weights(int stage, int slot) const {
    if (stage >= num_stages_) return;
    constexpr unsigned kChunks = Codec::kBody256 / 16;
    const unsigned num_chunks = (num_blocks_ - kLanes * stage) * (Codec::kBody256 / kLanes) / 16;
    const unsigned to = shared_address(kRawAt + slot * kRawBytes);
    const int column = stage * Codec::kBody256;
    each_of<Shape::kRows * kChunks>([&](unsigned i) {
      const unsigned row = i / kChunks, at = i % kChunks;
      if (at >= num_chunks) return;
      const unsigned place = kDecodes ? row * Codec::kBody256 : place_of(row) * kRowStride;
      copy_16_async(to + place + 16 * at, body_of_row()[row] + (column + 16 * at));
    });
  }

  // Tokens past the end are left as they are: thousands of thread blocks that asked for the last
  // one again would queue for its few lines of the L2 cache.
  __device__ void copy_tokens(int stage, int num_tokens, int slot) const {
    if (stage >= num_stages_) return;
    constexpr unsigned kChunks = kLanes * Rows::kWords;
    const auto present = static_cast<unsigned>(num_tokens);
    const unsigned num_blocks = num_blocks_ - kLanes * stage;
    const auto* values = static_cast<const uint8_t*>(input_.values) + stage * (16 * kChunks);
    const unsigned to = shared_address(kTokensAt + slot * kTokenBytes);
    each_of<Shape::kTokens * kChunks>([&](unsigned i) {
      const unsigned token = i / kChunks, at = i % kChunks;
      if (token >= present || at >= num_blocks * Rows::kWords) return;
      copy_16_async(to + token * TokenWords<Rows>::kStride + 16 * at,
                    values + 16 * at + uint64_t{block_of_token()[token]} * (16 * Rows::kWords));
    });
    const unsigned scales = shared_address(kTokenScalesAt + slot * kTokenScaleBytes);
    each_of<Shape::kTokens * kLanes>([&](unsigned i) {
      const unsigned token = i / kLanes, lane = i % kLanes;
      if (token >= present || lane >= num_blocks) return;
      const unsigned from = block_of_token()[token] + stage * kLanes + lane;
      copy_4_async(scales + 4 * (lane * kTokenScaleStride + token), input_.scales + from);
      if constexpr (Codec::kHasMin)
        copy_4_async(scales + 4 * ((kLanes + lane) * kTokenScaleStride + token),
                     input_.sums + from);
    });
  }

  // Decodes a stage's weights and scales. Rows that were not copied give anything.
  __device__ void prepare(int stage, int slot) const {
    if (stage >= num_stages_) return;
    const uint8_t* raw = shared_ + kRawAt + slot * kRawBytes;
    uint8_t* decoded = shared_ + kDecodedAt + stage % 2 * kDecodedBytes;
    auto* scales = reinterpret_cast<float*>(shared_ + kScalesAt + stage % 2 * kScaleBytes);
    each_of<Shape::kRows * kLanes>([&](unsigned i) {
      const unsigned row = i / kLanes, lane = i % kLanes;
      if (kLanes * stage + static_cast<int>(lane) >= num_blocks_) return;
      const SharedBytes heads = {
          shared_ + kHeadsAt + matrix_of(row) * heads_bytes_of_matrix(num_blocks_) +
          index_of(row) * head_stride(num_blocks_) + stage * Codec::kHead256};
      float* scale = scales + lane * kScaleStride + row;
      if constexpr (!kDecodes) {
        *scale = half_bits(load_at<uint16_t>(heads + 2 * lane));
      } else {
        typename Codec::Raw block;
        Codec::fetch(SharedRow{{raw + row * Codec::kBody256}, heads}, lane, block);
        WeightBlock w;
        Codec::unpack(block, lane, w);
        auto* to = reinterpret_cast<int4*>(decoded + place_of(row) * kRowStride + 32 * lane);
        to[0] = make_int4(w.q[0], w.q[1], w.q[2], w.q[3]);
        to[1] = make_int4(w.q[4], w.q[5], w.q[6], w.q[7]);
        *scale = w.scale[0];
        if constexpr (Codec::kGroup == 16) scale[kLanes * kScaleStride] = w.scale[1];
        if constexpr (Codec::kHasMin) scale[kLanes * kScaleStride] = -w.min;
      }
    });
  }

  template <int kCount>
  __device__ static void load_floats(const float* from, float (&to)[kCount]) {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      const auto four = *reinterpret_cast<const float4*>(from + i);
      to[i] = four.x, to[i + 1] = four.y, to[i + 2] = four.z, to[i + 3] = four.w;
    }
  }

  struct Slots {
    int raw, tokens;
  };

  __device__ void multiply(int stage, int num_tokens, Slots slots, Lanes& lanes) const {
    constexpr int kEights = 2 * Shape::kRowPieces;
    const int lane = threadIdx.x / 32 % kLanes, half = threadIdx.x / 32 / kLanes;
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    if (kLanes * stage + lane >= num_blocks_) return;
    const uint8_t* rows = kDecodes ? shared_ + kDecodedAt + stage % 2 * kDecodedBytes
                                   : shared_ + kRawAt + slots.raw * kRawBytes;
    // Threads name the places of sixteen rows, the first half of their blocks, then the other.
    rows += threadIdx.x % 16 * kRowStride + 32 * lane + threadIdx.x % 32 / 16 * 16;
    uint32_t w[Shape::kRowPieces][4];
#pragma unroll
    for (int r = 0; r < Shape::kRowPieces; ++r) load_operand(rows + 16 * r * kRowStride, w[r]);
    const float* scales =
        reinterpret_cast<const float*>(shared_ + kScalesAt + stage % 2 * kScaleBytes) +
        lane * kScaleStride + kEights * g;
    float w_scale[32 / Codec::kGroup][kEights], w_min[kEights];  // w_min: negative
#pragma unroll
    for (int i = 0; i < 32 / Codec::kGroup; ++i)
      load_floats(scales + i * kLanes * kScaleStride, w_scale[i]);
    if constexpr (Codec::kHasMin) load_floats(scales + kLanes * kScaleStride, w_min);

    const uint8_t* tokens = shared_ + kTokensAt + slots.tokens * kTokenBytes +
                            (8 * half + g) * TokenWords<Rows>::kStride + 16 * Rows::kWords * lane;
    const float* token_scales =
        reinterpret_cast<const float*>(shared_ + kTokenScalesAt + slots.tokens * kTokenScaleBytes) +
        lane * kTokenScaleStride + 8 * half + 2 * t;
#pragma unroll
    for (int n = 0; n < Shape::kTokenPieces; ++n) {
      const int first = 8 * n * Shape::kHalves;
      if (first + 8 * half >= num_tokens) break;
      TokenWords<Rows> x;
      x.load(tokens + first * TokenWords<Rows>::kStride, t);
      const auto x_scale = *reinterpret_cast<const float2*>(token_scales + first);
      float2 x_sum = {};
      if constexpr (Codec::kHasMin)
        x_sum = *reinterpret_cast<const float2*>(token_scales + kLanes * kTokenScaleStride + first);
#pragma unroll
      for (int r = 0; r < Shape::kRowPieces; ++r) {
        TileLanes& own = lanes[r][n];
#pragma unroll
        for (int part = 0; part < 32 / Codec::kGroup; ++part) {
          float sum[4];
          if constexpr (Codec::kGroup == 32)
            x.sums(w[r], sum);
          else
            x.half_sums(w[r], part, sum);
#pragma unroll
          for (int i = 0; i < 4; ++i)
            own[i] = __fmaf_rn(
                __fmul_rn(w_scale[part][2 * r + i / 2], i % 2 == 0 ? x_scale.x : x_scale.y),
                sum[i],
                own[i]);
        }
        if constexpr (Codec::kHasMin)
#pragma unroll
          for (int i = 0; i < 4; ++i)
            own[i] = __fmaf_rn(w_min[2 * r + i / 2], i % 2 == 0 ? x_sum.x : x_sum.y, own[i]);
      }
    }
  }

  template <class Part>
  __device__ static float tree(const float4 (&lane)[kLanes], const Part& part) {
    return ((part(lane[0]) + part(lane[1])) + (part(lane[2]) + part(lane[3]))) +
           ((part(lane[4]) + part(lane[5])) + (part(lane[6]) + part(lane[7])));
  }

  uint8_t* shared_;
  TileWeights<kMatrices> weights_;
  RowInput input_;
  int num_blocks_, num_stages_;
};

// Where a run of output columns lies: the first, and how many there are in all.
struct OutputRun {
  int first, num_outputs;
};

// Whether every row of an output begins at a multiple of 16 bytes.
__device__ inline bool fours_fit(const float* output, int num_outputs) {
  return num_outputs % 4 == 0 && reinterpret_cast<uintptr_t>(output) % 16 == 0;
}

// Columns past the end are left out.
template <int kRun, int kCount>
__device__ inline void store_run(float* row,
                                 OutputRun run,
                                 const float (&values)[kCount],
                                 bool by_fours) {
#pragma unroll
  for (int i = 0; i < kRun; i += 4) {
    const int out = run.first + i;
    if (by_fours && out < run.num_outputs)
      *reinterpret_cast<float4*>(row + out) =
          make_float4(values[i], values[i + 1], values[i + 2], values[i + 3]);
    else
#pragma unroll
      for (int k = 0; k < 4; ++k)
        if (out + k < run.num_outputs) row[out + k] = values[i + k];
  }
}

}  // namespace shoal::kernels::cuda
