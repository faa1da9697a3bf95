// Dense products on the tensor cores, for more than a few rows.
#include "kernels/cuda/dense_call.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/cuda/tile_product.cuh"

namespace shoal::kernels::cuda {
namespace {

template <int kTokenPieces, class Codec>
__device__ void multiply_tiles(const Call& call,
                               const Matrix& matrix,
                               TileScratch<kTokenPieces>& scratch,
                               int32_t* input_rows,
                               Codec) {
  constexpr int kTokens = 8 * kTokenPieces;
  for (int begin = blockIdx.y * kTokens; begin < call.num_tokens; begin += gridDim.y * kTokens) {
    if (threadIdx.x < kTokens)
      input_rows[threadIdx.x] = min(begin + static_cast<int>(threadIdx.x), call.num_tokens - 1);
    __syncthreads();  // the rows are named before all look them up
    const TilePlace place = {
        .weight = matrix.weight,
        .first_row = (static_cast<int>(blockIdx.x) - matrix.first_block) * kTileRows,
        .num_rows = matrix.num_outputs,
        .input_rows = input_rows,
        .num_tokens = min(kTokens, call.num_tokens - begin)};
    TileLanes lanes[kRowPieces][kTokenPieces] = {};
    accumulate_tile<Codec, Int16Rows, kTokenPieces>(place, call.input, lanes);
    add_tile_lanes<kTokenPieces>(lanes, scratch);
    float* output =
        matrix.output + static_cast<int64_t>(begin) * matrix.num_outputs + place.first_row;
    store_tile<kTokenPieces>(place, lanes, [&](int row, int token, float value) {
      output[static_cast<int64_t>(token) * matrix.num_outputs + row] = value;
    });
  }
}

template <int kTokenPieces>
__global__ void __launch_bounds__(kTileThreads) tiles_kernel(const __grid_constant__ Call call) {
  __shared__ TileScratch<kTokenPieces> scratch;
  __shared__ int32_t input_rows[8 * kTokenPieces];
  const Matrix& matrix = call.matrices.of_block();
  wait_for_inputs();
  with_device_codec(matrix.dtype, [&](auto codec) {
    multiply_tiles<kTokenPieces>(call, matrix, scratch, input_rows, codec);
  });
}

}  // namespace

int dense_tile_rows(int64_t) { return kTileRows; }

void launch_dense_tiles(const Launcher& launcher) {
  const int64_t n = launcher.call.num_tokens;
  if (n <= 8) return launcher.launch(tiles_kernel<1>, kTileThreads, 1, 0);
  if (n <= 16) return launcher.launch(tiles_kernel<2>, kTileThreads, 1, 0);
  if (n <= 32) return launcher.launch(tiles_kernel<4>, kTileThreads, 1, 0);
  launcher.launch(tiles_kernel<8>, kTileThreads, pieces(n, 64), 0);
}

}  // namespace shoal::kernels::cuda
