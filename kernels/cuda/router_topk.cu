// The router, a warp a row: a thread keeps its experts' probabilities in registers, and a choice is
// two reductions of the warp, one for the largest and one for its lowest id.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

struct RouterCall {
  const float* logits;
  int num_experts, num_topk;
  int32_t* topk_ids;
  float* topk_weights;
};

// kEach experts a thread: expert i is place i / 32 of thread i % 32.
template <int kEach>
__global__ void __launch_bounds__(32) router_kernel(const __grid_constant__ RouterCall call) {
  __shared__ float e[32 * kEach];
  const int lane = threadIdx.x;
  const float* x = call.logits + static_cast<int64_t>(blockIdx.x) * call.num_experts;
  int32_t* ids = call.topk_ids + static_cast<int64_t>(blockIdx.x) * call.num_topk;
  float* weights = call.topk_weights + static_cast<int64_t>(blockIdx.x) * call.num_topk;
  wait_for_inputs();
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

}  // namespace

void router_topk(const RouterParams& params, const Exec& exec) {
  check_router(params);
  const RouterCall call = {.logits = params.logits.f32(),
                           .num_experts = static_cast<int>(params.logits.cols()),
                           .num_topk = params.num_topk,
                           .topk_ids = params.topk_ids.i32(),
                           .topk_weights = params.topk_weights.f32()};
  const device::Launch launch({.grid = dim3(static_cast<unsigned>(params.logits.rows())),
                               .block = dim3(32),
                               .stream = exec.stream,
                               .overlaps_previous = true});
  if (call.num_experts <= 128) return launch(router_kernel<4>, call);
  if (call.num_experts <= 256) return launch(router_kernel<8>, call);
  if (call.num_experts <= 512) return launch(router_kernel<16>, call);
  launch(router_kernel<kMaxExperts / 32>, call);
}

}  // namespace shoal::kernels::cuda
