// Rows to experts and back. Grouping is a counting sort by one thread block: warps count the pairs
// of their runs, experts find their places after the experts before them, warps give out slots; so
// the order never depends on timing.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/few_pairs.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kThreads = 1024;
constexpr int kWarps = kThreads / 32;

// How many of a warp's pairs name each expert, and later where that warp's next one goes.
struct Counts {
  uint16_t of_warp[kWarps][kMaxExperts];
};

// Inclusive sums over the thread block.
__device__ int2 running_sum(int2 value, int2 (&warp_sums)[kWarps]) {
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

// Each warp has a run of the pairs and walks it 32 at a time: those that name one expert are
// counted by the first of them. take(pair, expert, rank) gets a pair's rank inside its warp's run.
template <class Take>
__device__ void walk_pairs(const int32_t* ids, int num_pairs, Counts& counts, const Take& take) {
  const int warp = threadIdx.x / 32;
  const int thread = threadIdx.x % 32;
  const int run = (num_pairs + kThreads - 1) / kThreads * 32;
  const int end = min((warp + 1) * run, num_pairs);
  for (int first = warp * run; first < end; first += 32) {
    const int pair = first + thread;
    const int expert = pair < end ? ids[pair] : -1;
    const unsigned same = __match_any_sync(kWholeWarp, expert);
    const int before = __popc(same & ((1u << thread) - 1));
    if (expert >= 0) take(pair, expert, counts.of_warp[warp][expert] + before);
    __syncwarp();  // all have read the count before it rises
    if (expert >= 0 && before == 0)
      counts.of_warp[warp][expert] += static_cast<uint16_t>(__popc(same));
    __syncwarp();  // it has risen before the next 32 read it
  }
}

__global__ void __launch_bounds__(kThreads)
    group_rows_kernel(const int32_t* ids, const __grid_constant__ RowGroups groups) {
  extern __shared__ int4 shared[];
  __shared__ int2 warp_sums[kWarps];
  Counts& counts = *reinterpret_cast<Counts*>(shared);
  const int num_pairs = static_cast<int>(groups.num_pairs);
  for (int i = threadIdx.x; i < kWarps * kMaxExperts / 8; i += kThreads)
    shared[i] = make_int4(0, 0, 0, 0);
  wait_for_inputs();
  __syncthreads();  // the counts are zero before they rise
  walk_pairs(ids, num_pairs, counts, [](int, int, int) {});
  __syncthreads();  // every warp has counted before the counts are summed
  const int expert = threadIdx.x;
  const bool known = expert < groups.num_experts;
  int count = 0;
  if (known)
    for (int w = 0; w < kWarps; ++w) {
      const int own = counts.of_warp[w][expert];
      counts.of_warp[w][expert] = static_cast<uint16_t>(count);
      count += own;
    }
  const int2 end = running_sum(make_int2(count, count > 0 ? 1 : 0), warp_sums);
  if (known) {
    groups.starts[expert] = end.x - count;
    if (count > 0) groups.active[end.y - 1] = {expert, end.x - count, count, 0};
    if (expert + 1 == groups.num_experts) groups.starts[groups.num_experts] = end.x;
  }
  // Starts and the warps' ranks are written before slots are given out.
  const int num_active = __syncthreads_count(count > 0);
  if (known && expert >= num_active) groups.active[expert] = {};
  for (int pair = threadIdx.x; pair < num_pairs; pair += kThreads)
    if (ids[pair] < 0) groups.slot_of_pair[pair] = -1;
  walk_pairs(ids, num_pairs, counts, [&](int pair, int of, int rank) {
    const int slot = groups.starts[of] + rank;
    groups.row_of_slot[slot] = pair / groups.num_topk;
    groups.slot_of_pair[pair] = slot;
  });
}

__global__ void __launch_bounds__(kMaxExperts)
    group_few_rows_kernel(const int32_t* ids, const __grid_constant__ RowGroups groups) {
  __shared__ FewPairs pairs;
  wait_for_inputs();
  if (threadIdx.x < groups.num_pairs) pairs.ids[threadIdx.x] = ids[threadIdx.x];
  group_few_rows(pairs, groups);
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
  if (has_few_pairs(params.groups))
    return device::Launch({.grid = dim3(1),
                           .block = dim3(static_cast<unsigned>(few_pairs_threads(params.groups))),
                           .stream = exec.stream,
                           .overlaps_previous = true})(
        group_few_rows_kernel, params.topk_ids.i32(), params.groups);
  device::Launch({.grid = dim3(1),
                  .block = dim3(kThreads),
                  .stream = exec.stream,
                  .shared_bytes = sizeof(Counts),
                  .overlaps_previous = true})(
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
