// Tokens and rows by index, and the greedy choice.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kArgmaxPieces = 64;  // of the vocabulary, a thread block each

__global__ void fill_tokens_kernel(int32_t* ids,
                                   const int32_t* starts,
                                   const int32_t* slots,
                                   int num_sequences,
                                   const int32_t* last_tokens) {
  wait_for_inputs();
  const int s = blockIdx.x * kThreads + threadIdx.x;
  if (s >= num_sequences || starts[s] == starts[s + 1]) return;
  int32_t& id = ids[starts[s]];
  if (id < 0) id = last_tokens[slots[s]];
}

// Grid: (columns / 256, rows).
__global__ void gather_rows_kernel(const float* input,
                                   const int32_t* rows,
                                   int64_t cols,
                                   float* output) {
  wait_for_inputs();
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column < cols)
    output[blockIdx.y * cols + column] =
        input[static_cast<int64_t>(rows[blockIdx.y]) * cols + column];
}

struct Choice {
  float logit;
  int32_t id;

  // A number beats a NaN; then the larger logit, then the lower id. id < 0 is no choice at all.
  __device__ bool beats(const Choice& other) const {
    if (id < 0 || other.id < 0) return other.id < 0 && id >= 0;
    const bool number = !isnan(logit), other_number = !isnan(other.logit);
    if (number != other_number) return number;
    if (number && logit != other.logit) return logit > other.logit;
    return id < other.id;
  }
};

__device__ Choice warp_best(Choice best) {
  for (int step = 16; step > 0; step /= 2) {
    const Choice other = {__shfl_xor_sync(kWholeWarp, best.logit, step),
                          __shfl_xor_sync(kWholeWarp, best.id, step)};
    if (other.beats(best)) best = other;
  }
  return best;
}

__device__ bool is_masked(const int32_t* masked, int count, int32_t id) {
  int low = 0, high = count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (masked[middle] < id)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && masked[low] == id;
}

struct Argmax {
  const float* logits;
  int vocab;
  const int32_t* masked;
  int num_masked;
  Choice* of_piece;  // [rows, kArgmaxPieces]
  int32_t* ids;
  const int32_t* slots;
  int32_t* last_tokens;
};

// Grid: (pieces of the vocabulary, rows). Only a logit that would win is looked up among the masked
// ones.
__global__ void __launch_bounds__(kThreads)
    argmax_pieces_kernel(const __grid_constant__ Argmax call) {
  __shared__ Choice of_warp[kThreads / 32];
  wait_for_inputs();
  const float* row = call.logits + static_cast<int64_t>(blockIdx.y) * call.vocab;
  Choice best = {0.0f, -1};
#pragma unroll 8
  for (int id = blockIdx.x * kThreads + threadIdx.x; id < call.vocab;
       id += kArgmaxPieces * kThreads) {
    const Choice choice = {row[id], id};
    if (choice.beats(best) && !is_masked(call.masked, call.num_masked, id)) best = choice;
  }
  best = warp_best(best);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = best;
  __syncthreads();  // every warp's choice is written before the first warp reads them
  if (threadIdx.x >= 32) return;
  best = warp_best(threadIdx.x < kThreads / 32 ? of_warp[threadIdx.x] : Choice{0.0f, -1});
  if (threadIdx.x == 0) call.of_piece[blockIdx.y * kArgmaxPieces + blockIdx.x] = best;
}

// Grid: rows, a warp each.
__global__ void __launch_bounds__(32) argmax_rows_kernel(const __grid_constant__ Argmax call) {
  wait_for_inputs();
  const Choice* of_piece = call.of_piece + blockIdx.x * kArgmaxPieces;
  Choice best = {0.0f, -1};
  for (int piece = threadIdx.x; piece < kArgmaxPieces; piece += 32)
    if (of_piece[piece].beats(best)) best = of_piece[piece];
  best = warp_best(best);
  if (threadIdx.x == 0) {
    call.ids[blockIdx.x] = best.id;
    call.last_tokens[call.slots[blockIdx.x]] = best.id;
  }
}

}  // namespace

void fill_tokens(const FillTokensParams& params, const Exec& exec) {
  const auto num_sequences = static_cast<int>(params.slots.rows());
  device::Launch({.grid = dim3(static_cast<unsigned>((num_sequences + kThreads - 1) / kThreads)),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .overlaps_previous = true})(fill_tokens_kernel,
                                              params.token_ids.i32(),
                                              params.sequence_starts.i32(),
                                              params.slots.i32(),
                                              num_sequences,
                                              params.last_tokens);
}

void gather_rows(const GatherRowsParams& params, const Exec& exec) {
  const int64_t cols = params.input.cols();
  device::Launch({.grid = dim3(static_cast<unsigned>((cols + kThreads - 1) / kThreads),
                               static_cast<unsigned>(params.row_ids.rows())),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .overlaps_previous = true})(
      gather_rows_kernel, params.input.f32(), params.row_ids.i32(), cols, params.output.f32());
}

void argmax_rows(const ArgmaxRowsParams& params, const Exec& exec) {
  const auto rows = static_cast<unsigned>(params.logits.rows());
  static_assert(kArgmaxPieces * sizeof(Choice) == argmax_workspace(1));
  check_workspace(exec.workspace, argmax_workspace(params.logits.rows()));
  const Argmax call = {.logits = params.logits.f32(),
                       .vocab = static_cast<int>(params.logits.cols()),
                       .masked = params.masked,
                       .num_masked = params.num_masked,
                       .of_piece = reinterpret_cast<Choice*>(exec.workspace.data()),
                       .ids = params.token_ids.i32(),
                       .slots = params.slots.i32(),
                       .last_tokens = params.last_tokens};
  device::Launch({.grid = dim3(kArgmaxPieces, rows),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .overlaps_previous = true})(argmax_pieces_kernel, call);
  device::Launch(
      {.grid = dim3(rows), .block = dim3(32), .stream = exec.stream, .overlaps_previous = true})(
      argmax_rows_kernel, call);
}

}  // namespace shoal::kernels::cuda
