// The experts' products by rows, for few rows an expert: threads stream weight rows
// (row_stream.cuh), a few tokens at a time.
#include <algorithm>

#include "kernels/cuda/expert_groups.cuh"
#include "kernels/cuda/row_stream.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

using SharedCodec = Q8_0;
constexpr int kGateUpShare = 2;
constexpr int kGateUpThreads = kInnerColumns * kLanes * kGateUpShare;
// 512 threads have 128 registers each.
template <class Codec>
constexpr int kGateUpAhead = sizeof(typename Codec::Raw) > 48   ? 2
                             : sizeof(typename Codec::Raw) > 36 ? 3
                                                                : 4;
constexpr int kDownThreads = 128;
constexpr int kDownRows = kDownThreads / kLanes;

// Of the thread block's columns.
struct GateUpRows {
  SplitRow gate, up;
};

template <class Codec>
__device__ GateUpRows
gate_up_rows_of(const WeightPlanes& gate, const WeightPlanes& up, int columns, int num_blocks) {
  const int column = static_cast<int>(threadIdx.x) / (kLanes * kGateUpShare);
  const int row = min(static_cast<int>(blockIdx.x) * kInnerColumns + column, columns - 1);
  return {gate.template row<Codec>(row, num_blocks), up.template row<Codec>(row, num_blocks)};
}

// Tokens [0, num_rows), kTokens at a time: row_of(token) is a token's input row, slot_of(token) the
// inner row that it makes. The gate's first blocks are on their way.
template <class Codec, int kTokens, class Rows, class Stream, class RowOf>
__device__ void gate_up_tokens(Stream& stream,
                               const GateUpRows& rows,
                               StagedRows<Rows>& x,
                               const RowInput& input,
                               const InnerRows& inner,
                               int2 tokens,
                               const RowOf& row_of) {
  __shared__ float tile[kTokens][kInnerColumns];
  const int column = threadIdx.x / (kLanes * kGateUpShare);
  for (int begin = tokens.x; begin < tokens.y; begin += kTokens) {
    const int num_tokens = min(kTokens, tokens.y - begin);
    const bool more = begin + kTokens < tokens.y;
    x.load(input, num_tokens, [&](int t) { return row_of(begin + t); });
    float gate[kTokens] = {}, up[kTokens] = {};
    stream.accumulate(rows.gate, rows.up, true, x, num_tokens, gate);
    stream.accumulate(rows.up, rows.gate, more, x, num_tokens, up);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const float value = silu(lane_tree(gate[t])) * lane_tree(up[t]);
      if (threadIdx.x % (kLanes * kGateUpShare) == 0) tile[t][column] = value;
    }
    __syncthreads();  // every column of the tile is written before its token's warp reads it
    if (const int token = threadIdx.x / 32; token < num_tokens)
      store_inner(inner, begin + token, tile[token][threadIdx.x % 32]);
    __syncthreads();  // tile and rows have been read before the next turn writes them
  }
}

// Grid: (intermediate / 32, active experts and then pieces of the shared expert's tokens).
template <class Codec, int kTokens>
__global__ void __launch_bounds__(kGateUpThreads)
    gate_up_kernel(const __grid_constant__ GateUpCall call, int max_active) {
  extern __shared__ int4 shared[];
  if (static_cast<int>(blockIdx.y) >= max_active) {
    const SharedCall& own = call.shared;
    const int num_blocks = own.input.num_blocks;
    const GateUpRows rows =
        gate_up_rows_of<SharedCodec>(own.gate, own.up, own.inner.columns, num_blocks);
    RowStream<SharedCodec, kGateUpShare, kGateUpAhead<SharedCodec>> stream;
    stream.begin(rows.gate, num_blocks);
    wait_for_inputs();
    StagedRows<Int16Rows> x(shared, kTokens, num_blocks);
    const int first = (static_cast<int>(blockIdx.y) - max_active) * kTokens;
    gate_up_tokens<SharedCodec, kTokens>(stream,
                                         rows,
                                         x,
                                         own.input,
                                         own.inner,
                                         make_int2(first, min(first + kTokens, own.num_tokens)),
                                         [](int token) { return token; });
    return;
  }
  wait_for_inputs();
  const ActiveRows group = call.groups.of_block();
  if (group.num_rows == 0) return;
  const int num_blocks = call.input.num_blocks;
  const GateUpRows rows = gate_up_rows_of<Codec>(
      call.gate.of(group.expert), call.up.of(group.expert), call.inner.columns, num_blocks);
  RowStream<Codec, kGateUpShare, kGateUpAhead<Codec>> stream;
  stream.begin(rows.gate, num_blocks);
  StagedRows<Int8Rows> x(shared, kTokens, num_blocks);
  gate_up_tokens<Codec, kTokens>(stream,
                                 rows,
                                 x,
                                 call.input,
                                 call.inner,
                                 make_int2(group.first_slot, group.first_slot + group.num_rows),
                                 [&](int slot) { return call.groups.row_of_slot[slot]; });
}

// Rows [rows.x, rows.y) of the input, kTokens at a time, to the same rows of the output. The weight
// row's first blocks are on their way.
template <int kTokens, class Stream>
__device__ void down_tokens(Stream& stream,
                            const SplitRow& row,
                            StagedRows<Int16Rows>& x,
                            const RowInput& input,
                            int2 rows,
                            float* output,
                            int num_outputs) {
  const int out = blockIdx.x * kDownRows + threadIdx.x / kLanes;
  for (int begin = rows.x; begin < rows.y; begin += kTokens) {
    const int num_tokens = min(kTokens, rows.y - begin);
    const bool more = begin + kTokens < rows.y;
    x.load(input, num_tokens, [&](int t) { return begin + t; });
    float lanes[kTokens] = {};
    stream.accumulate(row, row, more, x, num_tokens, lanes);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const float sum = lane_tree(lanes[t]);
      if (t < num_tokens && out < num_outputs && threadIdx.x % kLanes == 0)
        output[static_cast<int64_t>(begin + t) * num_outputs + out] = sum;
    }
    if (more) __syncthreads();  // the rows have been read before the next turn writes them
  }
}

// Grid: (outputs / 16, active experts and then pieces of the shared expert's tokens). Launched
// right after gate_up_kernel, so the groups, which are older, and the weights may be read at once.
template <class Codec, int kTokens>
__global__ void __launch_bounds__(kDownThreads)
    down_kernel(const __grid_constant__ DownCall call, int max_active) {
  extern __shared__ int4 shared[];
  const int row =
      min(static_cast<int>(blockIdx.x * kDownRows + threadIdx.x / kLanes), call.num_outputs - 1);
  if (static_cast<int>(blockIdx.y) >= max_active) {
    const SharedCall& own = call.shared;
    const int num_blocks = own.inner_input.num_blocks;
    const SplitRow weights = own.down.row<SharedCodec>(row, num_blocks);
    RowStream<SharedCodec, 1, kBlocksAhead<SharedCodec>> stream;
    stream.begin(weights, num_blocks);
    wait_for_inputs();
    StagedRows<Int16Rows> x(shared, kTokens, num_blocks);
    const int first = (static_cast<int>(blockIdx.y) - max_active) * kTokens;
    down_tokens<kTokens>(stream,
                         weights,
                         x,
                         own.inner_input,
                         make_int2(first, min(first + kTokens, own.num_tokens)),
                         own.output,
                         call.num_outputs);
    return;
  }
  const ActiveRows group = call.groups.of_block();
  if (group.num_rows == 0) return;
  const int num_blocks = call.input.num_blocks;
  const SplitRow weights = call.down.of(group.expert).template row<Codec>(row, num_blocks);
  RowStream<Codec, 1, kBlocksAhead<Codec>> stream;
  stream.begin(weights, num_blocks);
  wait_for_inputs();
  StagedRows<Int16Rows> x(shared, kTokens, num_blocks);
  down_tokens<kTokens>(stream,
                       weights,
                       x,
                       call.input,
                       make_int2(group.first_slot, group.first_slot + group.num_rows),
                       call.output,
                       call.num_outputs);
}

dim3 grid_of(int outputs, int outputs_a_block, int slots) {
  return dim3(static_cast<unsigned>((outputs + outputs_a_block - 1) / outputs_a_block),
              static_cast<unsigned>(slots));
}

template <int kTokens>
int slots_of(const SharedCall& shared, const ExpertGrid& grid) {
  return grid.max_active + (shared.num_tokens + kTokens - 1) / kTokens;
}

template <int kTokens>
void launch_gate_up(const GateUpCall& call, DType dtype, const ExpertGrid& grid) {
  size_t bytes = StagedRows<Int8Rows>::bytes(kTokens, call.input.num_blocks);
  if (call.shared.num_tokens > 0)
    bytes = std::max(bytes, StagedRows<Int16Rows>::bytes(kTokens, call.shared.input.num_blocks));
  const device::Launch launch(
      {.grid = grid_of(call.inner.columns, kInnerColumns, slots_of<kTokens>(call.shared, grid)),
       .block = dim3(kGateUpThreads),
       .stream = grid.stream,
       .shared_bytes = bytes,
       .overlaps_previous = true});
  with_codec(dtype, [&]<class Codec>(Codec) {
    launch(gate_up_kernel<Codec, kTokens>, call, grid.max_active);
  });
}

template <int kTokens>
void launch_down(const DownCall& call, DType dtype, const ExpertGrid& grid) {
  const int num_blocks = call.shared.num_tokens > 0
                             ? std::max(call.input.num_blocks, call.shared.inner_input.num_blocks)
                             : call.input.num_blocks;
  const device::Launch launch(
      {.grid = grid_of(call.num_outputs, kDownRows, slots_of<kTokens>(call.shared, grid)),
       .block = dim3(kDownThreads),
       .stream = grid.stream,
       .shared_bytes = StagedRows<Int16Rows>::bytes(kTokens, num_blocks),
       .overlaps_previous = true});
  with_codec(dtype, [&]<class Codec>(Codec) {
    launch(down_kernel<Codec, kTokens>, call, grid.max_active);
  });
}

constexpr int kFewTokens = 4;

}  // namespace

// One token has kernels of its own, which waste no instructions on others.
void gate_up_rows(const GateUpCall& call, DType dtype, const ExpertGrid& grid) {
  (grid.num_tokens == 1 ? launch_gate_up<1> : launch_gate_up<kFewTokens>)(call, dtype, grid);
}

void down_rows(const DownCall& call, DType dtype, const ExpertGrid& grid) {
  (grid.num_tokens == 1 ? launch_down<1> : launch_down<kFewTokens>)(call, dtype, grid);
}

}  // namespace shoal::kernels::cuda
