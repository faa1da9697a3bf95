// The router, a warp a row: a thread keeps its experts' probabilities in registers, and a choice is
// two reductions of the warp, one for the largest and one for its lowest id. A single row is
// grouped by expert in the same launch, and thread blocks beside it bring weights into the L2 cache
// that are read after the experts': until those are known, memory has nothing else to do.
#include <algorithm>
#include <type_traits>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/few_pairs.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/quant/split_blocks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

struct RouterCall {
  const float* logits;
  int num_experts, num_topk;
  int32_t* topk_ids;
  float* topk_weights;
  const uint8_t* ahead;  // or null
  int ahead_bytes;       // of each thread block beside the rows
};

// kEach experts a thread: expert i is place i / 32 of thread i % 32.
template <int kEach>
__device__ void choose(const RouterCall& call) {
  __shared__ float e[32 * kEach];
  const int lane = threadIdx.x;
  const float* x = call.logits + static_cast<int64_t>(blockIdx.x) * call.num_experts;
  int32_t* ids = call.topk_ids + static_cast<int64_t>(blockIdx.x) * call.num_topk;
  float* weights = call.topk_weights + static_cast<int64_t>(blockIdx.x) * call.num_topk;
  float p[kEach];
  float top = -INFINITY;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    p[i] = lane + 32 * i < call.num_experts ? x[lane + 32 * i] : -INFINITY;
    top = p[i] > top ? p[i] : top;
  }
  top = warp_max(top);
#pragma unroll
  for (int i = 0; i < kEach; ++i) e[lane + 32 * i] = p[i] = exp_f32(p[i] - top);
  __syncwarp();  // all e are written before the lanes sum them
  const float sum = lane_sum(e, call.num_experts);
  if (isnan(sum)) {
    // Then every p is NaN and none beats another.
    for (int k = lane; k < call.num_topk; k += 32) {
      ids[k] = k;
      weights[k] = sum;
    }
    return;
  }
  // Probabilities are not negative, so their bits order as they do; 0 marks one chosen or absent.
  uint32_t key[kEach];
#pragma unroll
  for (int i = 0; i < kEach; ++i)
    key[i] = lane + 32 * i < call.num_experts ? __float_as_uint(__fdiv_rn(p[i], sum)) + 1 : 0;
  float chosen_sum = 0.0f, own_weight = 0.0f;
  for (int k = 0; k < call.num_topk; ++k) {
    uint32_t largest = 0;
#pragma unroll
    for (int i = 0; i < kEach; ++i) largest = max(largest, key[i]);
    largest = __reduce_max_sync(kWholeWarp, largest);
    uint32_t id = 0xffffffff;
#pragma unroll
    for (int i = kEach - 1; i >= 0; --i)
      if (key[i] == largest) id = lane + 32 * i;
    id = __reduce_min_sync(kWholeWarp, id);
#pragma unroll
    for (int i = 0; i < kEach; ++i)
      if (id == static_cast<uint32_t>(lane + 32 * i)) key[i] = 0;
    const float chosen = __uint_as_float(largest - 1);
    chosen_sum = chosen_sum + chosen;
    if (lane == k % 32) own_weight = chosen;
    if (lane == 0) ids[k] = static_cast<int32_t>(id);
    if (k % 32 == 31 || k + 1 == call.num_topk)
      if (k / 32 * 32 + lane <= k) weights[k / 32 * 32 + lane] = own_weight;
  }
  __syncwarp();  // the chosen probabilities are written before they are divided
  const float divisor = chosen_sum > kMinTopkSum ? chosen_sum : kMinTopkSum;
  for (int k = lane; k < call.num_topk; k += 32) weights[k] = __fdiv_rn(weights[k], divisor);
}

template <int kEach>
__global__ void __launch_bounds__(32) rows_kernel(const __grid_constant__ RouterCall call) {
  wait_for_inputs();
  choose<kEach>(call);
}

__device__ void bring_ahead(const uint8_t* from, int bytes) {
#if __CUDA_ARCH__ >= 900
  if (threadIdx.x == 0)
    asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes) : "memory");
#else
  (void)from, (void)bytes;
#endif
}

// Thread block 0 has the row.
template <int kEach>
__global__ void __launch_bounds__(std::min(32 * kEach + 32, kMaxExperts))
    single_row_kernel(const __grid_constant__ RouterCall call,
                      const __grid_constant__ RowGroups groups) {
  if (blockIdx.x > 0)
    return bring_ahead(call.ahead + int64_t{blockIdx.x - 1} * call.ahead_bytes, call.ahead_bytes);
  __shared__ FewPairs pairs;
  wait_for_inputs();
  if (threadIdx.x < 32) {
    choose<kEach>(call);
    __syncwarp();  // the ids are written before they are read back
    if (threadIdx.x < call.num_topk) pairs.ids[threadIdx.x] = call.topk_ids[threadIdx.x];
  }
  group_few_rows(pairs, groups);
}

// body(integral_constant of the experts a thread).
template <class Body>
void with_experts_a_thread(int num_experts, const Body& body) {
  if (num_experts <= 128) return body(std::integral_constant<int, 4>{});
  if (num_experts <= 256) return body(std::integral_constant<int, 8>{});
  if (num_experts <= 512) return body(std::integral_constant<int, 16>{});
  body(std::integral_constant<int, kMaxExperts / 32>{});
}

// What memory can bring while a row is routed, in the pieces of that many thread blocks.
constexpr int64_t kMaxAheadBytes = 8 << 20;
constexpr int kAheadBlocks = 128;

// The number of thread blocks that bring it.
int ask_ahead(std::span<const WeightView> ahead, RouterCall& call) {
  if (ahead.empty() || !device::has_dependent_launch()) return 0;
  const WeightView& weight = ahead.front();
  // The body plane, where there are two, is most of a matrix.
  const auto cut = find_block_cut(weight.dtype);
  const int64_t row_blocks = weight.cols / dtype_traits(weight.dtype).block_elements;
  const int64_t row_bytes = cut ? row_blocks * cut->body_bytes() : weight.row_stride();
  const int64_t bytes = std::min(weight.rows * row_bytes, kMaxAheadBytes);
  call.ahead = reinterpret_cast<const uint8_t*>(weight.data);
  call.ahead_bytes = static_cast<int>(bytes / kAheadBlocks / 16 * 16);
  return call.ahead_bytes > 0 && reinterpret_cast<uintptr_t>(call.ahead) % 16 == 0 ? kAheadBlocks
                                                                                   : 0;
}

}  // namespace

void router_topk(const RouterParams& params, const Exec& exec) {
  check_router(params);
  RouterCall call = {.logits = params.logits.f32(),
                     .num_experts = static_cast<int>(params.logits.cols()),
                     .num_topk = params.num_topk,
                     .topk_ids = params.topk_ids.i32(),
                     .topk_weights = params.topk_weights.f32()};
  const int64_t rows = params.logits.rows();
  if (rows == 1 && params.groups != nullptr && has_few_pairs(*params.groups)) {
    const int beside = ask_ahead(params.ahead, call);
    const device::Launch launch(
        {.grid = dim3(static_cast<unsigned>(1 + beside)),
         .block = dim3(static_cast<unsigned>(few_pairs_threads(*params.groups))),
         .stream = exec.stream,
         .overlaps_previous = true});
    return with_experts_a_thread(call.num_experts, [&](auto each) {
      launch(single_row_kernel<each()>, call, *params.groups);
    });
  }
  const device::Launch launch({.grid = dim3(static_cast<unsigned>(rows)),
                               .block = dim3(32),
                               .stream = exec.stream,
                               .overlaps_previous = true});
  with_experts_a_thread(call.num_experts, [&](auto each) { launch(rows_kernel<each()>, call); });
  if (params.groups != nullptr) group_rows({params.topk_ids, *params.groups}, exec);
}

}  // namespace shoal::kernels::cuda
