#include "kernels/cuda/expert_tiles.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/cuda/tile_product.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

static_assert(kTileRows == kInnerColumns);

// Grid: (intermediate / 32, 1, slots).
template <class Codec, class Rows, int kTokenPieces>
__global__ void __launch_bounds__(kTileThreads)
    gate_up_tile_kernel(const __grid_constant__ GateUpSlots<kMaxExpertSlots> slots,
                        const __grid_constant__ RowInput input,
                        const __grid_constant__ GateUpShape shape) {
  constexpr int kTokens = 8 * kTokenPieces;
  __shared__ TileScratch<kTokenPieces> scratch;
  __shared__ float tile[kTokens][kInnerColumns + 1];  // one more, against bank conflicts
  const GateUpSlot& slot = slots.slot[blockIdx.z];
  for (int begin = 0; begin < slot.num_rows; begin += kTokens) {
    TilePlace place = {.weight = slot.gate,
                       .row_stride = shape.row_stride,
                       .first_row = static_cast<int>(blockIdx.x) * kTileRows,
                       .num_rows = shape.intermediate,
                       .first_token = slot.first_row + begin,
                       .num_tokens = min(kTokens, slot.num_rows - begin)};
    TileLanes gate[kRowPieces][kTokenPieces] = {};
    accumulate_tile<Codec, Rows, kTokenPieces>(place, input, gate);
    add_tile_lanes<kTokenPieces>(gate, scratch);
    place.weight = slot.up;
    TileLanes up[kRowPieces][kTokenPieces] = {};
    accumulate_tile<Codec, Rows, kTokenPieces>(place, input, up);
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
    for (int token = threadIdx.x / 32; token < place.num_tokens; token += kTileWarps)
      store_inner(shape, place.first_token + token, tile[token][threadIdx.x % 32]);
    __syncthreads();  // the tile has been read before the next turn writes it
  }
}

dim3 grid_of(int num_rows, int num_slots) {
  return dim3(static_cast<unsigned>((num_rows + kTileRows - 1) / kTileRows),
              1,
              static_cast<unsigned>(num_slots));
}

}  // namespace

void ExpertTiles::gate_up(const GateUpSlots<kMaxExpertSlots>& slots,
                          DType dtype,
                          const ActivationRows& input,
                          const GateUpShape& shape) const {
  const device::Launch launch({.grid = grid_of(shape.intermediate, num_slots),
                               .block = dim3(kTileThreads),
                               .stream = stream});
  const RowInput rows = row_input(input);
  const bool few = rows_a_slot <= 8;
  with_codec(dtype, [&]<class Codec>(Codec) {
    if (input.format == ActivationFormat::kInt8)
      launch(
          few ? gate_up_tile_kernel<Codec, Int8Rows, 1> : gate_up_tile_kernel<Codec, Int8Rows, 4>,
          slots,
          rows,
          shape);
    else
      launch(
          few ? gate_up_tile_kernel<Codec, Int16Rows, 1> : gate_up_tile_kernel<Codec, Int16Rows, 4>,
          slots,
          rows,
          shape);
  });
}

void ExpertTiles::down(const ProductSlots<kMaxExpertSlots>& slots,
                       DType dtype,
                       const RowInput& inner,
                       const ProductShape& shape) const {
  const device::Launch launch({.grid = grid_of(shape.num_outputs, num_slots),
                               .block = dim3(kTileThreads),
                               .stream = stream});
  with_codec(dtype, [&]<class Codec>(Codec) {
    launch(rows_a_slot <= 8 ? tile_product_kernel<Codec, Int16Rows, 1, kMaxExpertSlots>
                            : tile_product_kernel<Codec, Int16Rows, 4, kMaxExpertSlots>,
           slots,
           inner,
           shape);
  });
}

}  // namespace shoal::kernels::cuda
