// Pieces of the DeltaNet recurrence. Four threads take a column (or four neighbouring columns) of a
// head's state, one for each lane of kernels/ops/delta_net.h: rows lane, lane + 4, ... They are
// those of a warp whose indices are equal mod 8, thread t with lane t / 8.
#pragma once
#include "kernels/cuda/delta_call.h"
#include "kernels/cuda/math.cuh"

namespace shoal::kernels::cuda {

inline constexpr int kThreadsALane = 32 / kStateLanes;

__device__ inline int state_lane() { return threadIdx.x % 32 / kThreadsALane; }

// (l0 + l1) + (l2 + l3), for the four threads of a column. Addition commutes.
__device__ inline float state_tree(float lane) {
  lane = lane + __shfl_xor_sync(kWholeWarp, lane, kThreadsALane);
  return lane + __shfl_xor_sync(kWholeWarp, lane, 2 * kThreadsALane);
}

// A head's q or k in shared memory, a lane's elements together. Lanes begin in different banks.
template <int kDim>
struct alignas(16) LaneVector {
  static constexpr int kRows = kDim / kStateLanes;
  float lanes[kStateLanes][kRows + 4];

  __device__ float& at(int i) { return lanes[i % kStateLanes][i / kStateLanes]; }
  // Elements 4 m .. 4 m + 3 of a lane.
  __device__ float4 four(int lane, int m) const {
    return *reinterpret_cast<const float4*>(&lanes[lane][4 * m]);
  }
};

__device__ inline float norm_inverse(float sum_of_squares, float epsilon) {
  const float norm = __fsqrt_rn(sum_of_squares);
  return __fdiv_rn(1.0f, norm < epsilon ? epsilon : norm);
}

__device__ inline float q_scale(int dim) {
  return __fdiv_rn(1.0f, __fsqrt_rn(static_cast<float>(dim)));
}

__device__ inline float load_beta(const DeltaNetCall& call, int64_t token, int head) {
  return sigmoid(call.beta[token * call.num_v_heads + head]);
}

__device__ inline float load_decay(const DeltaNetCall& call, int64_t token, int head) {
  const float alpha = call.alpha[token * call.num_v_heads + head];
  return exp_f32(call.a[head] * softplus(alpha + call.dt_bias[head]));
}

// The gated norm's factor of a head.
__device__ inline float head_scale(float sum_of_squares, int dim, float epsilon) {
  const float mean = __fdiv_rn(sum_of_squares, static_cast<float>(dim));
  return __fdiv_rn(1.0f, __fsqrt_rn(mean + epsilon));
}

}  // namespace shoal::kernels::cuda
