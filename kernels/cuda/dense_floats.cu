// Dense products of float weights, in the row arithmetic of kernels/ops/matmul.h: column k belongs
// to lane k mod 8.
#include "kernels/cuda/dense_call.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/float_product.cuh"
#include "kernels/cuda/select_codec.cuh"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kFewTokens = 4;  // of a thread block
constexpr int64_t kMaxFewTokens =
    64;  // tiles, whose columns are a chain of stages, lose up to here
constexpr size_t kFewBytes = 160 << 10;  // of shared memory, which wider rows do not have

// Few tokens: four whole weight rows in shared memory, on their way before the inputs are waited
// for; a warp a token has the four rows' eight lanes.
template <class Weights>
__device__ void multiply_few(const Call& call, const Matrix& matrix, float* shared, Weights) {
  const int first = (static_cast<int>(blockIdx.x) - matrix.first_block) * kFloatRows;
  const int stride = float_row_stride(call.cols);
  stage_float_rows<Weights>(matrix.weight.bodies, first, matrix.num_outputs, call.cols, shared);
  wait_for_inputs();
  float* x = shared + kFloatRows * stride;
  const int begin = static_cast<int>(blockIdx.y) * kFewTokens;
  const int num_tokens = min(kFewTokens, call.num_tokens - begin);
  for (int t = 0; t < num_tokens; ++t)
#pragma unroll 8
    for (int k = threadIdx.x; k < call.cols; k += kThreads)
      x[t * stride + k] = call.f32[static_cast<int64_t>(begin + t) * call.cols + k];
  finish_copies();
  __syncthreads();  // weights and inputs are staged before all read them
  const int token = threadIdx.x / 32;
  if (token >= num_tokens) return;
  const int lane = threadIdx.x % kLanes;
  const int r = threadIdx.x % 32 / kLanes;
  const float* w = shared + r * stride;
  float sum = 0.0f;
#pragma unroll 16
  for (int k = lane; k < call.cols; k += kLanes) sum = __fmaf_rn(w[k], x[token * stride + k], sum);
  sum = lane_tree(sum);
  if (lane == 0 && first + r < matrix.num_outputs)
    matrix.output[static_cast<int64_t>(begin + token) * matrix.num_outputs + first + r] = sum;
}

__global__ void __launch_bounds__(kThreads) few_tokens_kernel(const __grid_constant__ Call call) {
  extern __shared__ float4 shared[];
  const Matrix& matrix = call.matrices.of_block();
  with_device_float(matrix.dtype, [&](auto weights) {
    multiply_few(call, matrix, reinterpret_cast<float*>(shared), weights);
  });
}

// Many tokens: a tile of 16 weight rows and 16 tokens; a thread has one lane of 4 x 4 of its sums.
constexpr int kTile = 16;
constexpr int kEach = 4;
constexpr int kChunk = 128;  // columns staged at once
// Four rows of a warp lie 8 banks off each other.
constexpr int kChunkStride = kChunk + 2;
constexpr int kStaged = kTile * kChunk / kThreads;  // floats a thread brings of either operand

struct TileChunk {
  float weight[kTile][kChunkStride];
  float input[kTile][kChunkStride];
};

template <class Weights>
__device__ void multiply_tile(const Call& call, const Matrix& matrix, TileChunk& chunk, Weights) {
  const int first_row = (static_cast<int>(blockIdx.x) - matrix.first_block) * kTile;
  const int lane = threadIdx.x % kLanes;
  const int rows = threadIdx.x % 32 / kLanes * kEach;
  const int tokens = threadIdx.x / 32 * kEach;
  const auto* weight = reinterpret_cast<const typename Weights::Stored*>(matrix.weight.bodies);
  wait_for_inputs();
  for (int begin = blockIdx.y * kTile; begin < call.num_tokens; begin += gridDim.y * kTile) {
    float w_ahead[kStaged], x_ahead[kStaged];
    const auto fetch = [&](int k0) {
#pragma unroll
      for (int i = 0; i < kStaged; ++i) {
        const int at = threadIdx.x + i * kThreads;
        const int k = k0 + at % kChunk;
        const int row = min(first_row + at / kChunk, matrix.num_outputs - 1);
        const int token = min(begin + at / kChunk, call.num_tokens - 1);
        const bool inside = k < call.cols;
        w_ahead[i] = inside
                         ? Weights::widen(__ldg(weight + static_cast<int64_t>(row) * call.cols + k))
                         : 0.0f;
        x_ahead[i] = inside ? call.f32[static_cast<int64_t>(token) * call.cols + k] : 0.0f;
      }
    };
    float sum[kEach][kEach] = {};
    fetch(0);
    for (int k0 = 0; k0 < call.cols; k0 += kChunk) {
      __syncthreads();  // the chunk before has been read
#pragma unroll
      for (int i = 0; i < kStaged; ++i) {
        const int at = threadIdx.x + i * kThreads;
        chunk.weight[at / kChunk][at % kChunk] = w_ahead[i];
        chunk.input[at / kChunk][at % kChunk] = x_ahead[i];
      }
      __syncthreads();  // the chunk is whole before all read it
      if (k0 + kChunk < call.cols) fetch(k0 + kChunk);
      const int end = min(kChunk, call.cols - k0);
#pragma unroll 4
      for (int k = lane; k < end; k += kLanes) {
        float w[kEach], x[kEach];
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
          w[i] = chunk.weight[rows + i][k];
          x[i] = chunk.input[tokens + i][k];
        }
#pragma unroll
        for (int t = 0; t < kEach; ++t)
#pragma unroll
          for (int r = 0; r < kEach; ++r) sum[t][r] = __fmaf_rn(w[r], x[t], sum[t][r]);
      }
    }
#pragma unroll
    for (int t = 0; t < kEach; ++t)
#pragma unroll
      for (int r = 0; r < kEach; ++r) {
        const float value = lane_tree(sum[t][r]);
        const int row = first_row + rows + r;
        const int64_t token = begin + tokens + t;
        if (lane == 0 && row < matrix.num_outputs && token < call.num_tokens)
          matrix.output[token * matrix.num_outputs + row] = value;
      }
  }
}

__global__ void __launch_bounds__(kThreads) float_tile_kernel(const __grid_constant__ Call call) {
  __shared__ TileChunk chunk;
  const Matrix& matrix = call.matrices.of_block();
  with_device_float(matrix.dtype,
                    [&](auto weights) { multiply_tile(call, matrix, chunk, weights); });
}

}  // namespace

void launch_dense_floats(Launcher& launcher) {
  const int64_t n = launcher.call.num_tokens;
  const size_t bytes = (kFloatRows + static_cast<size_t>(std::min<int64_t>(n, kFewTokens))) *
                       float_row_stride(launcher.call.cols) * sizeof(float);
  if (n <= kMaxFewTokens && bytes <= kFewBytes) {
    launcher.cut_into_groups(kFloatRows);
    return launcher.launch(few_tokens_kernel, kThreads, pieces(n, kFewTokens), bytes);
  }
  launcher.cut_into_groups(kTile);
  launcher.launch(float_tile_kernel, kThreads, pieces(n, kTile), 0);
}

}  // namespace shoal::kernels::cuda
