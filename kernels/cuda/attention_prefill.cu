// Many tokens of a sequence against its cache. A thread block takes a tile of 32 rows, a row being
// a (token, query head): up to eight query heads that share a KV head, of neighbouring tokens, so
// that the rows see almost the same positions. It walks the splits in order. Keys and values come
// through shared memory in two stages of 16 KiB, copies of one under way while the other is in use;
// a split's scores stay in shared memory, its sums over values in registers, and the sums of the
// splits so far where the output will be.
//
// Scores: a thread has one lane of 8 x 8 dots, so its products of a dot are every eighth dimension.
// Queries and keys therefore lie lane by lane: four such dimensions are one 16-byte word.
// Values: a thread has 8 rows x 8 dimensions.
// A row's arithmetic is that of kernels/ops/attention.h whatever tile it is in: sums over values
// end at the row's own last position, and a split that a row does not see leaves it as it is.
#include <algorithm>
#include <bit>

#include "kernels/cuda/attention_call.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/row_product.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kDim = kWideHeadDim;
constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;
constexpr int kRows = 32;
constexpr int kMaxHeadBits = 3;  // 8 query heads a tile
constexpr int kKeys = 32;        // scored at once
constexpr int kHalf = kDim / 2;  // dimensions of a stage of keys
constexpr int kPositions = 16;   // of a stage of values
constexpr int kSide = 8;         // rows of a thread, and their keys or dimensions
constexpr int kStage = kKeys * kHalf;
static_assert(kStage == kPositions * kDim);

struct alignas(16) TileShared {
  float query[2][kRows * kHalf];           // halves of the dimensions, lane by lane
  float weights[kAttentionSplit * kRows];  // [position, row]
  float stages[2][kStage];
  alignas(16) int rows[2][kAttentionSplit];      // of the cache, for this split and the next
  float max[kWarps][kRows], sum[kWarps][kRows];  // of two lanes a warp
  float keep[kRows], add[kRows];                 // SplitScales
  float inverse[kRows];                          // 1 / L
};
static_assert(sizeof(TileShared) <= 113 << 10, "two thread blocks a multiprocessor");

// How tokens and heads are cut into tiles.
struct TileCut {
  int head_bits;    // a tile has 1 << head_bits query heads,
  int tokens;       // and kRows >> head_bits tokens
  int head_groups;  // of all query heads
  int max_tiles;    // an upper bound of the tiles of a head group
  bool also_single;
};

struct Tile {
  int sequence;  // -1: none
  int64_t first_token;
  int num_tokens;
};

// Which sequence has the index-th tile, by a count over all of them. Whole warps call it.
__device__ Tile find_tile(const AttentionCall& call, const TileCut& cut, int index) {
  const int thread = threadIdx.x % 32;
  int before = 0;
  for (int first = 0; first < call.num_sequences; first += 32) {
    const int sequence = first + thread;
    int64_t begin = 0, length = 0;
    if (sequence < call.num_sequences) {
      begin = call.starts[sequence];
      length = call.starts[sequence + 1] - begin;
    }
    const bool skips = length == 1 && !cut.also_single;
    const int tiles = skips ? 0 : static_cast<int>((length + cut.tokens - 1) / cut.tokens);
    int up_to = tiles;  // and with this sequence
    for (int step = 1; step < 32; step *= 2) {
      const int other = __shfl_up_sync(kWholeWarp, up_to, step);
      if (thread >= step) up_to += other;
    }
    const unsigned past = __ballot_sync(kWholeWarp, before + up_to > index);
    if (past == 0) {
      before += __shfl_sync(kWholeWarp, up_to, 31);
      continue;
    }
    const int owner = __ffs(past) - 1;
    const int own = index - before - __shfl_sync(kWholeWarp, up_to - tiles, owner);
    const int64_t left = __shfl_sync(kWholeWarp, length, owner) - own * cut.tokens;
    return {first + owner,
            __shfl_sync(kWholeWarp, begin, owner) + own * cut.tokens,
            static_cast<int>(left < cut.tokens ? left : cut.tokens)};
  }
  return {-1, 0, 0};
}

// Lane-by-lane order: row r, lane l, step s (dimension 8 s + l) lies at
//   128 r + 16 l + 4 (s / 4 ^ shift(l, r)) + s % 4
// where the shift puts what is read or written at once into different banks: by a warp that copies
// a row, all lanes with four steps each; by half a warp that multiplies, four lanes of two
// neighbouring rows.
__device__ int lane_shift(int lane, int row) { return (lane >> 1) ^ ((row & 1) << 1); }

// A warp copies 128 dimensions of each of 8 rows, `first` and on; from_of(i) is where the i-th
// lies.
constexpr int kRowsAWarp = 8;
static_assert(kRowsAWarp * kWarps == kRows && kRowsAWarp * kWarps == kKeys);

template <class FromOf>
__device__ void copy_by_lane(float* to, int first, const FromOf& from_of) {
  const unsigned thread = threadIdx.x % 32;
  const int lane = thread % kLanes;
  const int shift = lane_shift(lane, 0);
  float* own = to + first * kHalf + lane * (kHalf / kLanes) + thread / kLanes;
  float* places[4];
#pragma unroll
  for (int m = 0; m < 4; ++m) places[m] = own + ((m ^ shift) << 2);
#pragma unroll
  for (int i = 0; i < kRowsAWarp; ++i) {
    const float* from = from_of(i) + thread;
#pragma unroll
    for (int m = 0; m < 4; ++m)
      copy_4_async(places[m ^ lane_shift(0, i)] + i * kHalf, from + 32 * m);
  }
}

// Adds 128 dimensions to this thread's lane of its dots [8 rows, 8 keys]. In a warp, bits 2 to 4
// of the thread are the lane, so that threads that differ in bit 0 or bit 1 read the same words;
// the thread's rows and keys are every other one of 16.
struct DotPlace {
  int lane, first_row, first_key;
  __device__ DotPlace() {
    const int thread = threadIdx.x % 32, warp = threadIdx.x / 32;
    lane = thread >> 2;
    first_row = warp % 2 * 16 + (thread >> 1 & 1);
    first_key = warp / 2 * 16 + (thread & 1);
  }
};

__device__ void add_products(const float* query,
                             const float* keys,
                             const DotPlace& place,
                             float (&dots)[kSide * kSide]) {
  const int at = place.lane * (kHalf / kLanes);
  const float* q = query + place.first_row * kHalf + at;
  const float* k = keys + place.first_key * kHalf + at;
  const int q_shift = lane_shift(place.lane, place.first_row);
  const int k_shift = lane_shift(place.lane, place.first_key);
#pragma unroll 2
  for (int m = 0; m < 4; ++m) {
    float4 row[kSide];
#pragma unroll
    for (int i = 0; i < kSide; ++i)
      row[i] = *reinterpret_cast<const float4*>(q + 2 * i * kHalf + ((m ^ q_shift) << 2));
#pragma unroll
    for (int j = 0; j < kSide; ++j) {
      const float4 key = *reinterpret_cast<const float4*>(k + 2 * j * kHalf + ((m ^ k_shift) << 2));
#pragma unroll
      for (int i = 0; i < kSide; ++i)
        dots[kSide * i + j] = __fmaf_rn(row[i].x, key.x, dots[kSide * i + j]);
#pragma unroll
      for (int i = 0; i < kSide; ++i)
        dots[kSide * i + j] = __fmaf_rn(row[i].y, key.y, dots[kSide * i + j]);
#pragma unroll
      for (int i = 0; i < kSide; ++i)
        dots[kSide * i + j] = __fmaf_rn(row[i].z, key.z, dots[kSide * i + j]);
#pragma unroll
      for (int i = 0; i < kSide; ++i)
        dots[kSide * i + j] = __fmaf_rn(row[i].w, key.w, dots[kSide * i + j]);
    }
  }
}

// The thread's 8 rows and 2 x 4 dimensions of the sums over values. Again threads that differ in
// bit 0 or bit 1 read the same words.
struct SumPlace {
  int first_row, dim;  // dims dim .. dim + 3 and kHalf + dim .. kHalf + dim + 3
  __device__ SumPlace() {
    const int thread = threadIdx.x % 32, warp = threadIdx.x / 32;
    first_row = kSide * ((thread & 1) | (thread >> 1 & 2));
    dim = 4 * ((thread >> 1 & 1) | (thread >> 2 & 6) | warp << 3);
  }
};

using Sums = float[kSide][kSide];

// One position. Rows that are not `seen` keep their sums.
template <class Seen>
__device__ void add_value(
    const float* weights, const float* value, const SumPlace& place, const Seen& seen, Sums& acc) {
  const auto* w = reinterpret_cast<const float4*>(weights + place.first_row);
  const float4 w0 = w[0], w1 = w[1];
  const float4 v0 = *reinterpret_cast<const float4*>(value + place.dim);
  const float4 v1 = *reinterpret_cast<const float4*>(value + kHalf + place.dim);
  const float weight[kSide] = {w0.x, w0.y, w0.z, w0.w, w1.x, w1.y, w1.z, w1.w};
  const float dims[kSide] = {v0.x, v0.y, v0.z, v0.w, v1.x, v1.y, v1.z, v1.w};
#pragma unroll
  for (int i = 0; i < kSide; ++i) {
    if (!seen(place.first_row + i)) continue;
#pragma unroll
    for (int j = 0; j < kSide; ++j) acc[i][j] = __fmaf_rn(weight[i], dims[j], acc[i][j]);
  }
}

// What a thread block knows of its tile. Rows past the sequence's last token repeat that token and
// are not stored.
struct TileRows {
  const AttentionCall& call;
  const TileCut& cut;
  Tile tile;
  int first_head, kv_head;
  int first_position;  // of the first token

  __device__ int last_position() const { return first_position + tile.num_tokens - 1; }
  __device__ int token_of(int row) const { return min(row >> cut.head_bits, tile.num_tokens - 1); }
  __device__ int64_t head_row(int row) const {
    return (tile.first_token + token_of(row)) * call.num_heads + first_head +
           (row & ((1 << cut.head_bits) - 1));
  }
  __device__ bool is_stored(int row) const { return row < tile.num_tokens << cut.head_bits; }
  // Positions from `begin` on that a row sees, of a split.
  __device__ int count_of(int row, int begin) const {
    return max(0, min(first_position + token_of(row) + 1 - begin, kAttentionSplit));
  }
  // Past the last position it is repeated: the places are copied from, and not used.
  __device__ void find_cache_rows(int begin, int (&rows)[kAttentionSplit]) const {
    for (int i = threadIdx.x; i < kAttentionSplit; i += kThreads)
      rows[i] =
          static_cast<int>(call.cache_row(tile.sequence, kv_head, min(begin + i, last_position())));
  }
  // Of this warp.
  __device__ static int first_row() { return static_cast<int>(threadIdx.x / 32) * kRowsAWarp; }
  __device__ void copy_queries(TileShared& shared) const {
    for (int half = 0; half < 2; ++half)
      copy_by_lane(shared.query[half], first_row(), [&](int i) {
        return call.query + head_row(first_row() + i) * call.query_stride + half * kHalf;
      });
  }
  __device__ void copy_keys(const int* rows, int half, float* stage) const {
    const auto* own = reinterpret_cast<const int4*>(rows + first_row());
    const int4 low = own[0], high = own[1];
    const int places[kRowsAWarp] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
    const float* cache = call.k_cache + half * kHalf;
    copy_by_lane(
        stage, first_row(), [&](int i) { return cache + static_cast<int64_t>(places[i]) * kDim; });
  }
  __device__ void copy_values(const int* rows, float* stage) const {
    constexpr unsigned kPieces = kDim / 4;  // of a value, 16 bytes each
    const unsigned first = threadIdx.x / kPieces, piece = threadIdx.x % kPieces;
    const float* cache = call.v_cache + 4 * piece;
    float* to = stage + 4 * threadIdx.x;
#pragma unroll
    for (int i = 0; i < kPositions; i += kThreads / kPieces)
      copy_16_async(to + i * kDim, cache + static_cast<int64_t>(rows[first + i]) * kDim);
  }
};

// Scores of the split become weights; a thread a row and two lanes of its sum. `max` and `sum`,
// in the first warp, are the row's so far. Barriers: the scores are written before; the weights,
// scales and inverse are in use after the caller's next one.
__device__ void weigh(const TileRows& rows, int begin, TileShared& shared, float& max, float& sum) {
  const int row = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int count = rows.count_of(row, begin);
  float* own = shared.weights + row;
  float largest = -INFINITY;
#pragma unroll 4
  for (int i = 2 * warp; i < count; i += kLanes) {
    const float first = own[i * kRows];
    largest = first > largest ? first : largest;
    if (i + 1 >= count) break;
    const float second = own[(i + 1) * kRows];
    largest = second > largest ? second : largest;
  }
  shared.max[warp][row] = largest;
  __syncthreads();  // the warps' maxima are written before all read them
  for (int w = 0; w < kWarps; ++w)
    largest = shared.max[w][row] > largest ? shared.max[w][row] : largest;
  float lanes[2] = {};
#pragma unroll 2
  for (int i = 2 * warp; i < count; i += kLanes) {
    const float first = exp_f32(own[i * kRows] - largest);
    own[i * kRows] = first;
    lanes[0] = lanes[0] + first;
    if (i + 1 >= count) break;
    const float second = exp_f32(own[(i + 1) * kRows] - largest);
    own[(i + 1) * kRows] = second;
    lanes[1] = lanes[1] + second;
  }
  shared.sum[warp][row] = lanes[0] + lanes[1];
  __syncthreads();  // the lanes' sums are written before the first warp adds them
  if (warp != 0 || count == 0) return;
  const float of_split =
      (shared.sum[0][row] + shared.sum[1][row]) + (shared.sum[2][row] + shared.sum[3][row]);
  if (begin == 0) {
    max = largest;
    sum = of_split;
  } else {
    const SplitScales scales = merge_sums(max, sum, largest, of_split);
    shared.keep[row] = scales.keep;
    shared.add[row] = scales.add;
  }
  shared.inverse[row] = __fdiv_rn(1.0f, sum);
}

// The rows' sums so far, where the output will be: a thread finds there what it put there.
__device__ float4* kept_sums(const TileRows& rows, const SumPlace& place, int row) {
  return reinterpret_cast<float4*>(rows.call.output + rows.head_row(row) * kDim + place.dim);
}

__device__ void keep_rows(const TileRows& rows, const SumPlace& place, const Sums& acc) {
#pragma unroll
  for (int i = 0; i < kSide; ++i) {
    const int row = place.first_row + i;
    if (!rows.is_stored(row)) continue;
    float4* to = kept_sums(rows, place, row);
    to[0] = make_float4(acc[i][0], acc[i][1], acc[i][2], acc[i][3]);
    to[kHalf / 4] = make_float4(acc[i][4], acc[i][5], acc[i][6], acc[i][7]);
  }
}

// A row that does not see the split gets back what it had.
__device__ void merge_rows(
    const TileRows& rows, const TileShared& shared, const SumPlace& place, int begin, Sums& acc) {
#pragma unroll
  for (int i = 0; i < kSide; ++i) {
    const int row = place.first_row + i;
    if (!rows.is_stored(row)) continue;
    const float4* from = kept_sums(rows, place, row);
    const float4 t0 = from[0], t1 = from[kHalf / 4];
    const float total[kSide] = {t0.x, t0.y, t0.z, t0.w, t1.x, t1.y, t1.z, t1.w};
    const bool sees = rows.count_of(row, begin) > 0;
    const SplitScales scales = {shared.keep[row], shared.add[row]};
#pragma unroll
    for (int j = 0; j < kSide; ++j)
      acc[i][j] = sees ? merge_acc(total[j], acc[i][j], scales) : total[j];
  }
}

// Queries are not needed after the last split: their place takes the sums, [row, dim].
__device__ void put_sums(TileShared& shared, const SumPlace& place, const Sums& acc) {
  static_assert(sizeof(shared.query) == kRows * kDim * sizeof(float));
#pragma unroll
  for (int i = 0; i < kSide; ++i) {
    float* to = shared.query[0] + (place.first_row + i) * kDim + place.dim;
    *reinterpret_cast<float4*>(to) = make_float4(acc[i][0], acc[i][1], acc[i][2], acc[i][3]);
    *reinterpret_cast<float4*>(to + kHalf) =
        make_float4(acc[i][4], acc[i][5], acc[i][6], acc[i][7]);
  }
}

// From the sums in shared memory, a warp a row at a time.
__device__ void store_rows(const TileRows& rows, const TileShared& shared) {
  const float* sums = shared.query[0];
  const int thread = threadIdx.x % 32;
  for (int row = threadIdx.x / 32; rows.is_stored(row); row += kWarps) {
    const int64_t head_row = rows.head_row(row);
    float gate[kDim / 32];
#pragma unroll
    for (int i = 0; i < kDim / 32; ++i) gate[i] = load_gate(rows.call, head_row, 32 * i + thread);
    const float inverse = shared.inverse[row];
#pragma unroll
    for (int i = 0; i < kDim / 32; ++i) {
      const int dim = 32 * i + thread;
      store_output(rows.call, head_row, dim, sums[row * kDim + dim] * inverse, gate[i]);
    }
  }
}

// Grid: head groups x tiles, the last tiles first: they see most.
__global__ void __launch_bounds__(kThreads, 2)
    prefill_kernel(const __grid_constant__ AttentionCall call,
                   const __grid_constant__ TileCut cut) {
  extern __shared__ float4 memory[];
  auto& shared = *reinterpret_cast<TileShared*>(memory);
  wait_for_inputs();
  const int index = cut.max_tiles - 1 - static_cast<int>(blockIdx.x) / cut.head_groups;
  const Tile tile = find_tile(call, cut, index);
  if (tile.sequence < 0) return;
  const int first_head = static_cast<int>(blockIdx.x) % cut.head_groups << cut.head_bits;
  const TileRows rows = {.call = call,
                         .cut = cut,
                         .tile = tile,
                         .first_head = first_head,
                         .kv_head = first_head / (call.num_heads / call.num_kv_heads),
                         .first_position = call.positions[tile.first_token]};
  const int last = rows.last_position();
  rows.find_cache_rows(0, shared.rows[0]);
  rows.copy_queries(shared);
  __syncthreads();  // the cache rows are written before all copy from them
  rows.copy_keys(shared.rows[0], 0, shared.stages[0]);

  const DotPlace dot_place;
  const SumPlace sum_place;
  const float scale = score_scale(kDim);
  int stage = 0;  // that copies are under way to
  float max = 0.0f, sum = 0.0f;
  // Everybody's copies to `stage` have landed, and nobody reads the other stage any more.
  const auto finish_stage = [&] {
    finish_copies();
    __syncthreads();
    const float* landed = shared.stages[stage];
    stage ^= 1;
    return landed;
  };
  for (int begin = 0; begin <= last; begin += kAttentionSplit) {
    const int split = begin / kAttentionSplit;
    const int* cache_rows = shared.rows[split % 2];
    const int most = min(last + 1 - begin, kAttentionSplit);
    const bool more = begin + kAttentionSplit <= last;
    // Read last in the split before this one, and many barriers before they are read again.
    if (more) rows.find_cache_rows(begin + kAttentionSplit, shared.rows[(split + 1) % 2]);
    for (int first = 0; first < most; first += kKeys) {
      float dots[kSide * kSide] = {};
      const float* keys = finish_stage();
      rows.copy_keys(cache_rows + first, 1, shared.stages[stage]);
      add_products(shared.query[0], keys, dot_place, dots);
      keys = finish_stage();
      if (first + kKeys < most)
        rows.copy_keys(cache_rows + first + kKeys, 0, shared.stages[stage]);
      else
        rows.copy_values(cache_rows, shared.stages[stage]);
      add_products(shared.query[1], keys, dot_place, dots);
      add_lanes<2>(dots);
      const int row = dot_place.first_row + 2 * (first_kept_dot<2, kSide * kSide>() / kSide);
      float* to = shared.weights + (first + dot_place.first_key) * kRows + row;
#pragma unroll
      for (int j = 0; j < kSide; ++j) to[2 * j * kRows] = dots[j] * scale;
    }
    __syncthreads();  // the scores are written before all weigh them
    weigh(rows, begin, shared, max, sum);

    Sums acc = {};
    const int all_see = rows.count_of(0, begin);
    for (int first = 0; first < most; first += kPositions) {
      const float* values = finish_stage();
      if (first + kPositions < most)
        rows.copy_values(cache_rows + first + kPositions, shared.stages[stage]);
      else if (more)
        rows.copy_keys(shared.rows[(split + 1) % 2], 0, shared.stages[stage]);
      const float* weights = shared.weights + first * kRows;
      if (first + kPositions <= all_see) {
#pragma unroll 4
        for (int i = 0; i < kPositions; ++i)
          add_value(
              weights + i * kRows, values + i * kDim, sum_place, [](int) { return true; }, acc);
        continue;
      }
      for (int i = 0; i < min(kPositions, most - first); ++i) {
        const auto seen = [&](int row) { return first + i < rows.count_of(row, begin); };
        add_value(weights + i * kRows, values + i * kDim, sum_place, seen, acc);
      }
    }
    if (begin != 0) merge_rows(rows, shared, sum_place, begin, acc);
    if (more)
      keep_rows(rows, sum_place, acc);
    else
      put_sums(shared, sum_place, acc);
  }
  __syncthreads();  // the sums are written before whole rows of them are read
  store_rows(rows, shared);
}

}  // namespace

bool prefills_in_tiles(const AttentionCall& call) { return call.head_dim == kDim; }

void launch_prefill(const AttentionCall& call,
                    int64_t num_tokens,
                    bool also_single,
                    Stream stream) {
  const int group = call.num_heads / call.num_kv_heads;
  TileCut cut = {.also_single = also_single};
  cut.head_bits = std::min(std::countr_zero(static_cast<unsigned>(group)), kMaxHeadBits);
  cut.tokens = kRows >> cut.head_bits;
  cut.head_groups = call.num_heads >> cut.head_bits;
  // Each sequence rounds up by less than a tile.
  cut.max_tiles =
      static_cast<int>((num_tokens + int64_t{call.num_sequences} * (cut.tokens - 1)) / cut.tokens);
  device::Launch({.grid = dim3(static_cast<unsigned>(cut.max_tiles * cut.head_groups)),
                  .block = dim3(kThreads),
                  .stream = stream,
                  .shared_bytes = sizeof(TileShared),
                  .overlaps_previous = true})(prefill_kernel, call, cut);
}

}  // namespace shoal::kernels::cuda
