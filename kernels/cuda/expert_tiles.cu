// The experts' products on the tensor cores, for steps where experts have several rows each.
#include "kernels/cuda/expert_groups.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/cuda/tile_product.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

static_assert(kTileRows == kInnerColumns);

constexpr int kTokenPieces = 4;
constexpr int kTokens = 8 * kTokenPieces;

// Names the input rows of the group's tokens from `begin` on; places past the end repeat the last.
template <class RowOf>
__device__ void name_rows(int32_t* rows, int num_tokens, const RowOf& row_of) {
  if (threadIdx.x < kTokens)
    rows[threadIdx.x] = row_of(min(static_cast<int>(threadIdx.x), num_tokens - 1));
  __syncthreads();  // the rows are named before all look them up
}

// Grid: (intermediate / 32, active experts).
template <class Codec>
__global__ void __launch_bounds__(kTileThreads)
    gate_up_tile_kernel(const __grid_constant__ GateUpCall call) {
  __shared__ TileScratch<kTokenPieces> scratch;
  __shared__ float tile[kTokens][kInnerColumns + 1];  // one more, against bank conflicts
  __shared__ int32_t input_rows[kTokens];
  wait_for_inputs();
  const ExpertGroup group = call.groups.of_block();
  for (int begin = 0; begin < group.num_rows; begin += kTokens) {
    const int num_tokens = min(kTokens, group.num_rows - begin);
    name_rows(input_rows, num_tokens, [&](int t) {
      return call.groups.row_of_slot[group.first_slot + begin + t];
    });
    TilePlace place = {.weight = call.gate.of(group.expert),
                       .first_row = static_cast<int>(blockIdx.x) * kTileRows,
                       .num_rows = call.inner.columns,
                       .input_rows = input_rows,
                       .num_tokens = num_tokens};
    TileLanes gate[kRowPieces][kTokenPieces] = {};
    accumulate_tile<Codec, Int8Rows, kTokenPieces>(place, call.input, gate);
    add_tile_lanes<kTokenPieces>(gate, scratch);
    place.weight = call.up.of(group.expert);
    TileLanes up[kRowPieces][kTokenPieces] = {};
    accumulate_tile<Codec, Int8Rows, kTokenPieces>(place, call.input, up);
    add_tile_lanes<kTokenPieces>(up, scratch);
    if (threadIdx.x < 32) {
#pragma unroll
      for (int r = 0; r < kRowPieces; ++r)
#pragma unroll
        for (int n = 0; n < kTokenPieces; ++n)
#pragma unroll
          for (int i = 0; i < 4; ++i) gate[r][n][i] = silu(gate[r][n][i]) * up[r][n][i];
    }
    store_tile<kTokenPieces>(
        place, gate, [&](int row, int token, float value) { tile[token][row] = value; });
    __syncthreads();  // warp 0 has written the tile before each token's warp reads it
    for (int token = threadIdx.x / 32; token < num_tokens; token += kTileWarps)
      store_inner(call.inner, group.first_slot + begin + token, tile[token][threadIdx.x % 32]);
    __syncthreads();  // the tile has been read before the next turn writes it
  }
}

// Grid: (outputs / 32, active experts).
template <class Codec>
__global__ void __launch_bounds__(kTileThreads)
    down_tile_kernel(const __grid_constant__ DownCall call) {
  __shared__ TileScratch<kTokenPieces> scratch;
  __shared__ int32_t input_rows[kTokens];
  wait_for_inputs();
  const ExpertGroup group = call.groups.of_block();
  for (int begin = 0; begin < group.num_rows; begin += kTokens) {
    const int num_tokens = min(kTokens, group.num_rows - begin);
    const int first = group.first_slot + begin;
    name_rows(input_rows, num_tokens, [&](int t) { return first + t; });
    const TilePlace place = {.weight = call.down.of(group.expert),
                             .first_row = static_cast<int>(blockIdx.x) * kTileRows,
                             .num_rows = call.num_outputs,
                             .input_rows = input_rows,
                             .num_tokens = num_tokens};
    TileLanes lanes[kRowPieces][kTokenPieces] = {};
    accumulate_tile<Codec, Int16Rows, kTokenPieces>(place, call.input, lanes);
    add_tile_lanes<kTokenPieces>(lanes, scratch);
    float* output = call.output + static_cast<int64_t>(first) * call.num_outputs + place.first_row;
    store_tile<kTokenPieces>(place, lanes, [&](int row, int token, float value) {
      output[static_cast<int64_t>(token) * call.num_outputs + row] = value;
    });
    __syncthreads();  // the named rows have been read before the next turn names others
  }
}

device::Launch launch_of(int outputs, const ExpertGrid& grid) {
  return device::Launch({.grid = dim3(static_cast<unsigned>((outputs + kTileRows - 1) / kTileRows),
                                      static_cast<unsigned>(grid.max_active)),
                         .block = dim3(kTileThreads),
                         .stream = grid.stream,
                         .overlaps_previous = true});
}

}  // namespace

void gate_up_tiles(const GateUpCall& call, DType dtype, const ExpertGrid& grid) {
  with_codec(dtype, [&]<class Codec>(Codec) {
    launch_of(call.inner.columns, grid)(gate_up_tile_kernel<Codec>, call);
  });
}

void down_tiles(const DownCall& call, DType dtype, const ExpertGrid& grid) {
  with_codec(dtype, [&]<class Codec>(Codec) {
    launch_of(call.num_outputs, grid)(down_tile_kernel<Codec>, call);
  });
}

}  // namespace shoal::kernels::cuda
