// The experts' products by rows, for few rows an expert: threads stream weight rows
// (row_stream.cuh), a few tokens at a time.
#include "kernels/cuda/expert_groups.cuh"
#include "kernels/cuda/row_stream.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kTokens = 4;
constexpr int kGateUpShare = 2;
constexpr int kGateUpThreads = kInnerColumns * kLanes * kGateUpShare;
constexpr int kDownThreads = 128;
constexpr int kDownRows = kDownThreads / kLanes;

// Grid: (intermediate / 32, active experts). A column's gate and up rows follow each other.
template <class Codec>
__global__ void __launch_bounds__(kGateUpThreads)
    gate_up_kernel(const __grid_constant__ GateUpCall call) {
  extern __shared__ int4 shared[];
  __shared__ float tile[kTokens][kInnerColumns];
  wait_for_inputs();
  const ExpertGroup group = call.groups.of_block();
  if (group.num_rows == 0) return;
  const int num_blocks = call.input.num_blocks;
  const int column = threadIdx.x / (kLanes * kGateUpShare);
  const int row =
      min(static_cast<int>(blockIdx.x) * kInnerColumns + column, call.inner.columns - 1);
  const SplitRow gate_row = call.gate.of(group.expert).template row<Codec>(row, num_blocks);
  const SplitRow up_row = call.up.of(group.expert).template row<Codec>(row, num_blocks);
  RowStream<Codec, kGateUpShare, kBlocksAhead<Codec>> stream;
  stream.begin(gate_row, num_blocks);
  StagedRows<Int8Rows> x(shared, kTokens, num_blocks);
  for (int begin = 0; begin < group.num_rows; begin += kTokens) {
    const int num_tokens = min(kTokens, group.num_rows - begin);
    const bool more = begin + kTokens < group.num_rows;
    x.load(call.input, num_tokens, [&](int t) {
      return call.groups.row_of_slot[group.first_slot + begin + t];
    });
    float gate[kTokens] = {}, up[kTokens] = {};
    stream.accumulate(gate_row, up_row, true, x, num_tokens, gate);
    stream.accumulate(up_row, gate_row, more, x, num_tokens, up);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const float value = silu(lane_tree(gate[t])) * lane_tree(up[t]);
      if (threadIdx.x % (kLanes * kGateUpShare) == 0) tile[t][column] = value;
    }
    __syncthreads();  // every column of the tile is written before its token's warp reads it
    if (const int token = threadIdx.x / 32; token < num_tokens)
      store_inner(call.inner, group.first_slot + begin + token, tile[token][threadIdx.x % 32]);
    __syncthreads();  // tile and rows have been read before the next turn writes them
  }
}

// Grid: (outputs / 16, active experts).
template <class Codec>
__global__ void __launch_bounds__(kDownThreads) down_kernel(const __grid_constant__ DownCall call) {
  extern __shared__ int4 shared[];
  wait_for_inputs();
  const ExpertGroup group = call.groups.of_block();
  if (group.num_rows == 0) return;
  const int num_blocks = call.input.num_blocks;
  const int out = blockIdx.x * kDownRows + threadIdx.x / kLanes;
  const SplitRow row =
      call.down.of(group.expert).template row<Codec>(min(out, call.num_outputs - 1), num_blocks);
  RowStream<Codec, 1, kBlocksAhead<Codec>> stream;
  stream.begin(row, num_blocks);
  StagedRows<Int16Rows> x(shared, kTokens, num_blocks);
  for (int begin = 0; begin < group.num_rows; begin += kTokens) {
    const int num_tokens = min(kTokens, group.num_rows - begin);
    const bool more = begin + kTokens < group.num_rows;
    x.load(call.input, num_tokens, [&](int t) { return group.first_slot + begin + t; });
    float lanes[kTokens] = {};
    stream.accumulate(row, row, more, x, num_tokens, lanes);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const float sum = lane_tree(lanes[t]);
      if (t < num_tokens && out < call.num_outputs && threadIdx.x % kLanes == 0)
        call.output[static_cast<int64_t>(group.first_slot + begin + t) * call.num_outputs + out] =
            sum;
    }
    if (more) __syncthreads();  // the rows have been read before the next turn writes them
  }
}

dim3 grid_of(int outputs, int outputs_a_block, const ExpertGrid& grid) {
  return dim3(static_cast<unsigned>((outputs + outputs_a_block - 1) / outputs_a_block),
              static_cast<unsigned>(grid.max_active));
}

}  // namespace

void gate_up_rows(const GateUpCall& call, DType dtype, const ExpertGrid& grid) {
  const device::Launch launch(
      {.grid = grid_of(call.inner.columns, kInnerColumns, grid),
       .block = dim3(kGateUpThreads),
       .stream = grid.stream,
       .shared_bytes = StagedRows<Int8Rows>::bytes(kTokens, call.input.num_blocks),
       .overlaps_previous = true});
  with_codec(dtype, [&]<class Codec>(Codec) { launch(gate_up_kernel<Codec>, call); });
}

void down_rows(const DownCall& call, DType dtype, const ExpertGrid& grid) {
  const device::Launch launch(
      {.grid = grid_of(call.num_outputs, kDownRows, grid),
       .block = dim3(kDownThreads),
       .stream = grid.stream,
       .shared_bytes = StagedRows<Int16Rows>::bytes(kTokens, call.input.num_blocks),
       .overlaps_previous = true});
  with_codec(dtype, [&]<class Codec>(Codec) { launch(down_kernel<Codec>, call); });
}

}  // namespace shoal::kernels::cuda
