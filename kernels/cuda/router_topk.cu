#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

struct Candidate {
  float p;
  int id;

  // Larger first, ties to the lower id.
  __device__ bool beats(const Candidate& other) const {
    return p > other.p || (p == other.p && id < other.id);
  }
};

__device__ Candidate warp_best(Candidate best) {
  for (int step = 16; step > 0; step /= 2) {
    const Candidate other = {__shfl_xor_sync(kWholeWarp, best.p, step),
                             __shfl_xor_sync(kWholeWarp, best.id, step)};
    if (other.beats(best)) best = other;
  }
  return best;
}

struct RouterShape {
  int num_experts;
  int num_topk;
};

// A warp a row. p[] holds the probabilities, and -1 for those already chosen.
__global__ void router_kernel(const float* logits,
                              const __grid_constant__ RouterShape shape,
                              int32_t* topk_ids,
                              float* topk_weights) {
  __shared__ float p[kMaxExperts];
  wait_for_inputs();
  const int lane = threadIdx.x;
  const float* x = logits + static_cast<int64_t>(blockIdx.x) * shape.num_experts;
  int32_t* ids = topk_ids + static_cast<int64_t>(blockIdx.x) * shape.num_topk;
  float* weights = topk_weights + static_cast<int64_t>(blockIdx.x) * shape.num_topk;

  float max = x[0];
  for (int i = lane; i < shape.num_experts; i += 32) max = x[i] > max ? x[i] : max;
  max = warp_max(max);
  for (int i = lane; i < shape.num_experts; i += 32) p[i] = exp_f32(x[i] - max);
  __syncwarp();  // all e are written before the lanes sum them
  const float sum = lane_sum(p, shape.num_experts);
  __syncwarp();  // all e are read before they become p
  if (isnan(sum)) {
    // Then every p is NaN and none beats another.
    for (int k = lane; k < shape.num_topk; k += 32) {
      ids[k] = k;
      weights[k] = sum;
    }
    return;
  }
  for (int i = lane; i < shape.num_experts; i += 32) p[i] = __fdiv_rn(p[i], sum);

  float chosen_sum = 0.0f;
  for (int k = 0; k < shape.num_topk; ++k) {
    // A thread looks only at entries that it wrote itself.
    Candidate best = {-1.0f, kMaxExperts};
    for (int i = lane; i < shape.num_experts; i += 32)
      if (const Candidate own = {p[i], i}; own.p >= 0.0f && own.beats(best)) best = own;
    best = warp_best(best);
    chosen_sum = chosen_sum + best.p;
    if (best.id % 32 == lane) {
      p[best.id] = -1.0f;
      ids[k] = best.id;
      weights[k] = best.p;
    }
  }
  const float divisor = chosen_sum < kMinTopkSum ? kMinTopkSum : chosen_sum;
  __syncwarp();  // weights[] of the whole row is written before it is divided
  for (int k = lane; k < shape.num_topk; k += 32) weights[k] = __fdiv_rn(weights[k], divisor);
}

}  // namespace

void router_topk(const RouterParams& params, const Exec& exec) {
  check_router(params);
  const RouterShape shape = {.num_experts = static_cast<int>(params.logits.cols()),
                             .num_topk = params.num_topk};
  device::Launch({.grid = dim3(static_cast<unsigned>(params.logits.rows())),
                  .block = dim3(32),
                  .stream = exec.stream,
                  .overlaps_previous = true})(
      router_kernel, params.logits.f32(), shape, params.topk_ids.i32(), params.topk_weights.f32());
}

}  // namespace shoal::kernels::cuda
