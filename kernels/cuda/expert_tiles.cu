// The experts' products on the tensor cores, for steps where experts have several rows each.
#include "kernels/cuda/expert_groups.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/cuda/tile_product.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

// Gate's and up's rows of the same 32 columns share a tile and its activations.
template <class Shape, class Codec>
using GateUpTile = TileProduct<Codec, Int8Rows, Shape, 2>;
template <class Shape, class Codec>
using DownTile = TileProduct<Codec, Int16Rows, Shape, 1>;

// Grid: (intermediate / 32, active experts, pieces of their rows).
template <class Shape, class Codec>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocksASm)
    gate_up_tile_kernel(const __grid_constant__ GateUpCall call) {
  static_assert(Shape::kRows == 2 * kInnerColumns);
  extern __shared__ int4 shared[];
  __shared__ float inner[Shape::kTokens][kInnerColumns + 1];  // one more, against bank conflicts
  wait_for_inputs();
  const ActiveRows group = call.groups.of_block();
  const int step = static_cast<int>(gridDim.z) * Shape::kTokens;
  for (int begin = blockIdx.z * Shape::kTokens; begin < group.num_rows; begin += step) {
    const int num_tokens = min(Shape::kTokens, group.num_rows - begin);
    const int first = group.first_slot + begin;
    const GateUpTile<Shape, Codec> tile(shared,
                                        {{call.gate.of(group.expert), call.up.of(group.expert)},
                                         static_cast<int>(blockIdx.x) * kInnerColumns,
                                         call.inner.columns},
                                        call.input);
    tile.request_weights();
    typename GateUpTile<Shape, Codec>::Lanes lanes = {};
    tile.accumulate(
        num_tokens, [&](int token) { return call.groups.row_of_slot[first + token]; }, lanes);
    tile.finish(num_tokens, lanes, [&](int column, int token, const auto& values) {
#pragma unroll
      for (int i = 0; i < tile.kRun; ++i)
        inner[token][column + i] = silu(values[i]) * values[tile.kRun + i];
    });
    __syncthreads();  // all columns are written before each token's warp reads them
    for (int token = threadIdx.x / 32; token < num_tokens; token += Shape::kWarps)
      store_inner(call.inner, first + token, inner[token][threadIdx.x % 32]);
    __syncthreads();  // they have been read before the next turn writes them
  }
}

// Grid: (outputs / rows of a tile, active experts, pieces of their rows).
template <class Shape, class Codec>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocksASm)
    down_tile_kernel(const __grid_constant__ DownCall call) {
  extern __shared__ int4 shared[];
  wait_for_inputs();
  const ActiveRows group = call.groups.of_block();
  const int first_row = static_cast<int>(blockIdx.x) * Shape::kRows;
  const bool by_fours = fours_fit(call.output, call.num_outputs);
  const int step = static_cast<int>(gridDim.z) * Shape::kTokens;
  for (int begin = blockIdx.z * Shape::kTokens; begin < group.num_rows; begin += step) {
    const int num_tokens = min(Shape::kTokens, group.num_rows - begin);
    const int first = group.first_slot + begin;
    const DownTile<Shape, Codec> tile(
        shared, {{call.down.of(group.expert)}, first_row, call.num_outputs}, call.input);
    tile.request_weights();
    typename DownTile<Shape, Codec>::Lanes lanes = {};
    tile.accumulate(
        num_tokens, [&](int token) { return first + token; }, lanes);
    tile.finish(num_tokens, lanes, [&](int row, int token, const auto& values) {
      store_run<tile.kRun>(call.output + static_cast<int64_t>(first + token) * call.num_outputs,
                           {first_row + row, call.num_outputs},
                           values,
                           by_fours);
    });
    __syncthreads();  // the lanes have been read before the next turn's copies overwrite them
  }
}

// How many rows an expert has on average decides the tile's tokens. Experts with more than twice
// that many go on in further turns.
template <class Shape>
dim3 grid_of(int outputs, int outputs_a_tile, const ExpertGrid& grid) {
  const int64_t likely = 2 * grid.mean_rows;
  return dim3(static_cast<unsigned>((outputs + outputs_a_tile - 1) / outputs_a_tile),
              static_cast<unsigned>(grid.max_active),
              static_cast<unsigned>((likely + Shape::kTokens - 1) / Shape::kTokens));
}

template <class Shape>
void launch_gate_up(const GateUpCall& call, DType dtype, const ExpertGrid& grid) {
  with_codec(dtype, [&]<class Codec>(Codec) {
    device::Launch({.grid = grid_of<Shape>(call.inner.columns, kInnerColumns, grid),
                    .block = dim3(Shape::kThreads),
                    .stream = grid.stream,
                    .shared_bytes = GateUpTile<Shape, Codec>::bytes(call.input.num_blocks),
                    .overlaps_previous = true})(gate_up_tile_kernel<Shape, Codec>, call);
  });
}

template <class Shape>
void launch_down(const DownCall& call, DType dtype, const ExpertGrid& grid) {
  with_codec(dtype, [&]<class Codec>(Codec) {
    device::Launch({.grid = grid_of<Shape>(call.num_outputs, Shape::kRows, grid),
                    .block = dim3(Shape::kThreads),
                    .stream = grid.stream,
                    .shared_bytes = DownTile<Shape, Codec>::bytes(call.input.num_blocks),
                    .overlaps_previous = true})(down_tile_kernel<Shape, Codec>, call);
  });
}

// Mean rows of an expert from which a tile takes 64 of them.
constexpr int64_t kWideFrom = 24;
using Narrow = TileShape<4, 2, 1, 3, 2>;
using Wide = TileShape<4, 4, 2, 3, 1>;

}  // namespace

void gate_up_tiles(const GateUpCall& call, DType dtype, const ExpertGrid& grid) {
  (grid.mean_rows < kWideFrom ? launch_gate_up<Narrow> : launch_gate_up<Wide>)(call, dtype, grid);
}

void down_tiles(const DownCall& call, DType dtype, const ExpertGrid& grid) {
  (grid.mean_rows < kWideFrom ? launch_down<Narrow> : launch_down<Wide>)(call, dtype, grid);
}

}  // namespace shoal::kernels::cuda
