// Rows to experts and back. Grouping is one thread block, a thread an expert: it counts the pairs
// that name it, finds its place after the experts before it, and lists its pairs in order; so the
// order never depends on timing.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kMaxThreads = 1024;
static_assert(kMaxThreads >= kMaxExperts);

// Inclusive sums over the thread block.
__device__ int2 running_sum(int2 value, int2 (&warp_sums)[32]) {
  const int thread = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  for (int step = 1; step < 32; step *= 2) {
    const int x = __shfl_up_sync(kWholeWarp, value.x, step);
    const int y = __shfl_up_sync(kWholeWarp, value.y, step);
    if (thread >= step) value = make_int2(value.x + x, value.y + y);
  }
  if (thread == 31) warp_sums[warp] = value;
  __syncthreads();  // every warp's sum is written before the others add it
  for (int w = 0; w < warp; ++w) {
    value.x += warp_sums[w].x;
    value.y += warp_sums[w].y;
  }
  return value;
}

__global__ void __launch_bounds__(kMaxThreads)
    group_rows_kernel(const int32_t* ids, const __grid_constant__ RowGroups groups) {
  __shared__ int2 warp_sums[32];
  wait_for_inputs();
  const int expert = threadIdx.x;
  const int num_pairs = static_cast<int>(groups.num_pairs);
  int count = 0;
#pragma unroll 8
  for (int pair = 0; pair < num_pairs; ++pair) count += __ldg(ids + pair) == expert ? 1 : 0;
  const bool known = expert < groups.num_experts;
  const int2 end = running_sum(make_int2(count, count > 0 && known ? 1 : 0), warp_sums);
  if (!known) return;
  int slot = end.x - count;
  groups.starts[expert] = slot;
  if (expert + 1 == groups.num_experts) {
    groups.starts[groups.num_experts] = end.x;
    *groups.num_active = end.y;
  }
  if (count == 0) return;
  groups.active[end.y - 1] = expert;
  for (int pair = 0; slot < end.x; ++pair) {
    if (__ldg(ids + pair) != expert) continue;
    groups.row_of_slot[slot] = pair / groups.num_topk;
    groups.slot_of_pair[pair] = slot++;
  }
}

struct Combine {
  const float* expert_out;
  const float* topk_weights;
  const int32_t* slot_of_pair;
  const float* shared;
  const float* shared_gate;
  float* residual;
  int num_topk, cols;
};

constexpr int kCombineThreads = 256;

// Grid: (columns / 256, tokens).
__global__ void __launch_bounds__(kCombineThreads)
    combine_rows_kernel(const __grid_constant__ Combine call) {
  wait_for_inputs();
  const int column = blockIdx.x * kCombineThreads + threadIdx.x;
  if (column >= call.cols) return;
  const int64_t token = blockIdx.y;
  const int64_t at = token * call.cols + column;
  float residual = call.residual[at];
  if (call.shared != nullptr)
    residual = __fmaf_rn(sigmoid(call.shared_gate[token]), call.shared[at], residual);
  float sum = 0.0f;
#pragma unroll 8
  for (int k = 0; k < call.num_topk; ++k) {
    const int64_t pair = token * call.num_topk + k;
    const int64_t row = call.slot_of_pair[pair];
    sum = __fmaf_rn(call.topk_weights[pair], call.expert_out[row * call.cols + column], sum);
  }
  call.residual[at] = residual + sum;
}

}  // namespace

void group_rows(const GroupRowsParams& params, const Exec& exec) {
  check_group_rows(params);
  const unsigned threads = (static_cast<unsigned>(params.groups.num_experts) + 31) / 32 * 32;
  device::Launch(
      {.grid = dim3(1), .block = dim3(threads), .stream = exec.stream, .overlaps_previous = true})(
      group_rows_kernel, params.topk_ids.i32(), params.groups);
}

void combine_rows(const CombineRowsParams& params, const Exec& exec) {
  const Combine call = {.expert_out = params.expert_out.f32(),
                        .topk_weights = params.topk_weights.f32(),
                        .slot_of_pair = params.slot_of_pair,
                        .shared = params.shared.data != nullptr ? params.shared.f32() : nullptr,
                        .shared_gate = params.shared_gate,
                        .residual = params.residual.f32(),
                        .num_topk = static_cast<int>(params.topk_weights.cols()),
                        .cols = static_cast<int>(params.residual.cols())};
  device::Launch(
      {.grid = dim3(static_cast<unsigned>((call.cols + kCombineThreads - 1) / kCombineThreads),
                    static_cast<unsigned>(params.residual.rows())),
       .block = dim3(kCombineThreads),
       .stream = exec.stream,
       .overlaps_previous = true})(combine_rows_kernel, call);
}

}  // namespace shoal::kernels::cuda
