// Dense products: one matrix or several on the same rows in one launch. Each thread block belongs
// to one matrix and goes the way of its type. One or two rows go by rows, more by tiles; float
// weights have a way of their own.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dense_call.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/float_product.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/row_product.cuh"
#include "kernels/cuda/select_codec.cuh"

namespace shoal::kernels::cuda {
namespace {

constexpr int kRowThreads = 128;
constexpr int kRowsAThreadBlock = kRowThreads / kLanes;
constexpr int64_t kMaxRowTokens = 2;  // measured: tiles win from three rows on
constexpr int kFloatTokens = 64;      // of a thread block

template <int kTokens, class Codec>
__device__ void multiply_rows(const Call& call, const Matrix& matrix, void* shared, Codec) {
  const int out = (static_cast<int>(blockIdx.x) - matrix.first_block) * kRowsAThreadBlock +
                  static_cast<int>(threadIdx.x) / kLanes;
  // Whole warps take part in the tree, so threads past the end repeat the last row.
  const int row = min(out, matrix.num_outputs - 1);
  LaneBlocks<Codec, kBlocksAhead<Codec>> blocks;
  blocks.begin(matrix.weight.row<Codec>(row, call.input.num_blocks), call.input.num_blocks);
  wait_for_inputs();
  StagedRows<Int16Rows> x(shared, kTokens, call.input.num_blocks);
  x.load(call.input, call.num_tokens, [](int t) { return t; });
  float lanes[kTokens] = {};
  blocks.accumulate(x, call.num_tokens, lanes);
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    const float sum = lane_tree(lanes[t]);
    if (t < call.num_tokens && out < matrix.num_outputs && threadIdx.x % kLanes == 0)
      matrix.output[static_cast<int64_t>(t) * matrix.num_outputs + out] = sum;
  }
}

template <class Weights>
__device__ void multiply_floats(const Call& call, const Matrix& matrix, float* shared, Weights) {
  const int first = (static_cast<int>(blockIdx.x) - matrix.first_block) * kFloatRows;
  stage_float_rows<Weights>(matrix.weight.bodies, first, matrix.num_outputs, call.cols, shared);
  wait_for_inputs();
  __syncthreads();  // the rows are staged before all read them
  const auto store = [&](int row, int token, float value) {
    if (first + row < matrix.num_outputs)
      matrix.output[static_cast<int64_t>(token) * matrix.num_outputs + first + row] = value;
  };
  for (int begin = blockIdx.y * kFloatTokens; begin < call.num_tokens;
       begin += gridDim.y * kFloatTokens) {
    const int2 tokens = make_int2(begin, min(begin + kFloatTokens, call.num_tokens));
    if (tokens.y - tokens.x <= kRowThreads / 32)
      multiply_float_rows<1>(shared, call.f32, call.cols, tokens, store);
    else
      multiply_float_rows<4>(shared, call.f32, call.cols, tokens, store);
  }
}

template <int kTokens>
__global__ void __launch_bounds__(kRowThreads) rows_kernel(const __grid_constant__ Call call) {
  extern __shared__ int4 shared[];
  const Matrix& matrix = call.matrices.of_block();
  if (with_device_float(matrix.dtype, [&](auto weights) {
        multiply_floats(call, matrix, reinterpret_cast<float*>(shared), weights);
      }))
    return;
  with_device_codec(matrix.dtype,
                    [&](auto codec) { multiply_rows<kTokens>(call, matrix, shared, codec); });
}

// Only float matrices, any number of tokens.
__global__ void __launch_bounds__(kRowThreads) floats_kernel(const __grid_constant__ Call call) {
  extern __shared__ int4 shared[];
  const Matrix& matrix = call.matrices.of_block();
  with_device_float(matrix.dtype, [&](auto weights) {
    multiply_floats(call, matrix, reinterpret_cast<float*>(shared), weights);
  });
}

// All matrices by rows: at most kMaxRowTokens tokens.
void launch_rows(const Launcher& launcher) {
  const Call& call = launcher.call;
  size_t shared = 0;
  for (int m = 0; m < call.matrices.count; ++m)
    shared = std::max(shared,
                      is_quantized(call.matrices.matrix[m].dtype)
                          ? StagedRows<Int16Rows>::bytes(call.num_tokens, call.input.num_blocks)
                          : float_rows_bytes(call.cols));
  launcher.launch(call.num_tokens == 1 ? rows_kernel<1> : rows_kernel<2>, kRowThreads, 1, shared);
}

// What the matrices of one call share.
struct Input {
  RowInput rows;
  const float* f32;
  int64_t num_tokens, cols;
};

void multiply(const Input& input, std::span<const Projection> projections, Stream stream) {
  const auto run = [&](bool floats, bool quantized, bool by_rows) {
    Launcher launcher{.stream = stream};
    launcher.call.input = input.rows;
    launcher.call.f32 = input.f32;
    launcher.call.cols = static_cast<int>(input.cols);
    launcher.call.num_tokens = static_cast<int>(input.num_tokens);
    for (const Projection& projection : projections) {
      const bool is_float = !is_quantized(projection.weight.dtype);
      if (projection.weight.rows == 0 || !(is_float ? floats : quantized)) continue;
      launcher.add(projection.weight,
                   projection.output.f32(),
                   is_float  ? kFloatRows
                   : by_rows ? kRowsAThreadBlock
                             : dense_tile_rows(input.num_tokens));
    }
    if (launcher.num_blocks == 0) return;
    if (by_rows)
      launch_rows(launcher);
    else if (floats)
      launcher.launch(floats_kernel,
                      kRowThreads,
                      pieces(input.num_tokens, kFloatTokens),
                      float_rows_bytes(static_cast<int>(input.cols)));
    else
      launch_dense_tiles(launcher);
  };
  if (input.num_tokens <= kMaxRowTokens) return run(true, true, true);
  run(false, true, false);
  run(true, false, false);
}

}  // namespace

void matmul(const MatmulParams& params, const Exec& exec) {
  check_matmul(params);
  const ActivationRows& input = params.input;
  if (input.rows == 0) return;
  const Projection projection = {params.weight, params.output};
  multiply({.rows = row_input(input),
            .f32 = static_cast<const float*>(input.values),
            .num_tokens = input.rows,
            .cols = input.cols},
           {&projection, 1},
           exec.stream);
}

void project(const ProjectParams& params, const Exec& exec) {
  check_project(params, kMaxMatrices);
  if (params.input.rows == 0) return;
  const QuantizedRows& int16 = params.input.int16;
  multiply({.rows = {.values = int16.values,
                     .scales = int16.scales,
                     .sums = int16.sums,
                     .num_blocks = static_cast<int>(params.input.cols / kActivationBlock)},
            .f32 = params.input.f32,
            .num_tokens = params.input.rows,
            .cols = params.input.cols},
           params.projections,
           exec.stream);
}

}  // namespace shoal::kernels::cuda
