// Dense products on the tensor cores, for more than a few rows.
#include "kernels/cuda/dense_call.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/cuda/tile_product.cuh"

namespace shoal::kernels::cuda {
namespace {

// Shared memory of a thread block on the GPUs that this is for.
constexpr size_t kMaxSharedBytes = 227 << 10;
// A call of fewer thread blocks leaves multiprocessors idle.
constexpr int64_t kFewBlocks = 110;

template <class Shape, class Codec>
using DenseTile = TileProduct<Codec, Int16Rows, Shape, 1>;

template <class Shape, class Codec>
__device__ void multiply_tile(const Call& call, const Matrix& matrix, void* shared, Codec) {
  const int first_row = (static_cast<int>(blockIdx.y) - matrix.first_block) * Shape::kRows;
  const int begin = static_cast<int>(blockIdx.x) * Shape::kTokens;
  const int num_tokens = min(Shape::kTokens, call.num_tokens - begin);
  const DenseTile<Shape, Codec> tile(
      shared, {{matrix.weight}, first_row, matrix.num_outputs}, call.input);
  tile.request_weights();
  wait_for_inputs();
  typename DenseTile<Shape, Codec>::Lanes lanes = {};
  tile.accumulate(
      num_tokens, [begin](int token) { return begin + token; }, lanes);
  const bool by_fours = fours_fit(matrix.output, matrix.num_outputs);
  tile.finish(num_tokens, lanes, [&](int row, int token, const auto& values) {
    store_run<tile.kRun>(matrix.output + static_cast<int64_t>(begin + token) * matrix.num_outputs,
                         {first_row + row, matrix.num_outputs},
                         values,
                         by_fours);
  });
}

// Grid: (token tiles, row tiles), so that tiles of the same weights run at the same time.
template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocksASm)
    tiles_kernel(const __grid_constant__ Call call) {
  extern __shared__ int4 shared[];
  const Matrix& matrix = call.matrices.of_block(static_cast<int>(blockIdx.y));
  with_device_codec(matrix.dtype,
                    [&](auto codec) { multiply_tile<Shape>(call, matrix, shared, codec); });
}

template <class Shape>
size_t shared_bytes(const Call& call) {
  size_t bytes = 0;
  for (int m = 0; m < call.matrices.count; ++m)
    with_codec(call.matrices.matrix[m].dtype, [&]<class Codec>(Codec) {
      bytes = std::max(bytes, DenseTile<Shape, Codec>::bytes(call.input.num_blocks));
    });
  return bytes;
}

// False where the shape needs more shared memory than there is, or leaves the GPU half empty.
template <class Shape>
bool launch_shape(Launcher& launcher, bool anyhow = false) {
  const size_t bytes = shared_bytes<Shape>(launcher.call);
  launcher.cut_into_groups(Shape::kRows);
  const int64_t token_tiles = pieces(launcher.call.num_tokens, Shape::kTokens);
  if (!anyhow && (bytes > kMaxSharedBytes || launcher.num_blocks * token_tiles < kFewBlocks))
    return false;
  device::Launch(
      {.grid = dim3(static_cast<unsigned>(token_tiles), static_cast<unsigned>(launcher.num_blocks)),
       .block = dim3(Shape::kThreads),
       .stream = launcher.stream,
       .shared_bytes = bytes,
       .overlaps_previous = true})(tiles_kernel<Shape>, launcher.call);
  return true;
}

}  // namespace

void launch_dense_tiles(Launcher& launcher) {
  const int64_t n = launcher.call.num_tokens;
  if (n > 32 && launch_shape<TileShape<4, 4, 2, 3, 1>>(launcher)) return;
  if (n > 16 && launch_shape<TileShape<2, 4, 1, 3, 2>>(launcher)) return;
  if (n > 8 && launch_shape<TileShape<2, 2, 1, 3, 3>>(launcher)) return;
  launch_shape<TileShape<2, 1, 1, 4, 3>>(launcher, true);
}

}  // namespace shoal::kernels::cuda
