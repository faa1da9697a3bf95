#include <algorithm>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/row_product.cuh"
#include "kernels/cuda/select_codec.cuh"
#include "kernels/cuda/tile_product.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

// Grid.y has 65,535 places at most; a thread block takes further tokens in turn.
constexpr int64_t kMaxTokenPieces = 1024;

struct Product {
  ProductSlots<1> slots;
  ProductShape shape;
  int64_t num_tokens;
  Stream stream;

  device::LaunchShape launch_shape(int tokens_a_thread) const {
    const int64_t pieces = (num_tokens + tokens_a_thread - 1) / tokens_a_thread;
    return {.grid = dim3((shape.num_outputs + kRowsPerThreadBlock - 1) / kRowsPerThreadBlock,
                         static_cast<unsigned>(std::min(pieces, kMaxTokenPieces))),
            .block = dim3(kProductThreads),
            .stream = stream};
  }

  template <class Codec, class Rows, int kTokens>
  void launch_blocks(const RowInput& input) const {
    device::Launch(launch_shape(kTokens))(
        product_kernel<Codec, Rows, kTokens, 1>, slots, input, shape);
  }

  template <class Codec, class Rows, int kTokenPieces>
  void launch_tiles(const RowInput& input) const {
    const int64_t pieces = (num_tokens + 8 * kTokenPieces - 1) / (8 * kTokenPieces);
    device::Launch({.grid = dim3((shape.num_outputs + kTileRows - 1) / kTileRows,
                                 static_cast<unsigned>(std::min(pieces, kMaxTokenPieces))),
                    .block = dim3(kTileThreads),
                    .stream = stream})(
        tile_product_kernel<Codec, Rows, kTokenPieces, 1>, slots, input, shape);
  }

  template <class Codec, class Rows>
  void multiply_blocks(const RowInput& input) const {
    // Measured: tiles win from three tokens on (docs/measurements/gpu_kernels.md).
    if (num_tokens == 1) return launch_blocks<Codec, Rows, 1>(input);
    if (num_tokens == 2) return launch_blocks<Codec, Rows, 2>(input);
    if (num_tokens <= 8) return launch_tiles<Codec, Rows, 1>(input);
    if (num_tokens <= 16) return launch_tiles<Codec, Rows, 2>(input);
    if (num_tokens <= 32) return launch_tiles<Codec, Rows, 4>(input);
    launch_tiles<Codec, Rows, 8>(input);
  }

  template <class Weights>
  void multiply_floats(const ActivationRows& input) const {
    const auto* x = static_cast<const float*>(input.values);
    const int cols = static_cast<int>(input.cols);
    if (num_tokens == 1)
      device::Launch(launch_shape(1))(float_product_kernel<Weights, 1, 1>, slots, x, cols, shape);
    else
      device::Launch(launch_shape(4))(float_product_kernel<Weights, 4, 1>, slots, x, cols, shape);
  }
};

}  // namespace

void matmul(const MatmulParams& params, const Exec& exec) {
  const WeightView& weight = params.weight;
  const ActivationRows& input = params.input;
  check_matmul(params);
  if (input.rows == 0 || weight.rows == 0) return;
  const Product product = {.slots = {{{.weight = reinterpret_cast<const uint8_t*>(weight.data),
                                       .first_row = 0,
                                       .num_rows = static_cast<int32_t>(input.rows)}}},
                           .shape = {.num_outputs = static_cast<int>(weight.rows),
                                     .row_stride = weight.row_stride(),
                                     .output = params.output.f32()},
                           .num_tokens = input.rows,
                           .stream = exec.stream};
  switch (weight.dtype) {
    case DType::kF32:
      return product.multiply_floats<F32Weights>(input);
    case DType::kF16:
      return product.multiply_floats<F16Weights>(input);
    case DType::kBF16:
      return product.multiply_floats<BF16Weights>(input);
    default:
      with_codec(weight.dtype, [&]<class Codec>(Codec) {
        if (input.format == ActivationFormat::kInt8)
          product.multiply_blocks<Codec, Int8Rows>(row_input(input));
        else
          product.multiply_blocks<Codec, Int16Rows>(row_input(input));
      });
  }
}

}  // namespace shoal::kernels::cuda
