// The recurrence by itself, with the state in device memory. Models run delta_mix.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/delta_step.cuh"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/op_checks.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

// One token as a warp sees it. Shared memory.
struct TokenVectors {
  float q[kMaxDeltaNetDim];
  float k[kMaxDeltaNetDim];
};

__device__ void load_token(const DeltaNetCall& call, int64_t token, int head, TokenVectors& out) {
  const int k_head = head % call.num_k_heads;
  const float* mixed = call.mixed + token * call.mixed_cols();
  const float* raw_q = mixed + k_head * call.dim;
  const float* raw_k = mixed + (call.num_k_heads + k_head) * call.dim;
  const float q_inverse = norm_inverse(lane_dot(raw_q, raw_q, call.dim), call.epsilon);
  const float k_inverse = norm_inverse(lane_dot(raw_k, raw_k, call.dim), call.epsilon);
  __syncwarp();  // the token before this one has been read
  for (int i = threadIdx.x; i < call.dim; i += 32) {
    out.q[i] = (raw_q[i] * q_inverse) * q_scale(call.dim);
    out.k[i] = raw_k[i] * k_inverse;
  }
  __syncwarp();  // q and k are written before all threads read them
}

// Grid: (columns / 8, V heads, sequences), a warp each.
__global__ void __launch_bounds__(32) delta_net_kernel(const __grid_constant__ DeltaNetCall call) {
  __shared__ TokenVectors vectors;
  wait_for_inputs();
  const int dim = call.dim, lane = state_lane();
  const int j = blockIdx.x * kThreadsALane + threadIdx.x % kThreadsALane;
  const int head = blockIdx.y;
  const int64_t slot_head = static_cast<int64_t>(call.slots[blockIdx.z]) * call.num_v_heads + head;
  float* state = call.state + slot_head * dim * dim + j;
  for (int64_t token = call.starts[blockIdx.z]; token < call.starts[blockIdx.z + 1]; ++token) {
    load_token(call, token, head, vectors);
    const float decay = load_decay(call, token, head), beta = load_beta(call, token, head);
    const float v = call.mixed[token * call.mixed_cols() + (2 * call.num_k_heads + head) * dim + j];
    float p = 0.0f;
    for (int i = lane; i < dim; i += kStateLanes)
      p = __fmaf_rn(decay * state[i * dim], vectors.k[i], p);
    const float e = beta * (v - state_tree(p));
    float o = 0.0f;
    for (int i = lane; i < dim; i += kStateLanes) {
      const float s = __fmaf_rn(vectors.k[i], e, decay * state[i * dim]);
      state[i * dim] = s;
      o = __fmaf_rn(s, vectors.q[i], o);
    }
    o = state_tree(o);
    if (lane == 0) call.output[(token * call.num_v_heads + head) * dim + j] = o;
  }
}

}  // namespace

DeltaNetCall delta_net_call(const DeltaNetParams& params) {
  return {.mixed = params.mixed.f32(),
          .alpha = params.alpha.f32(),
          .beta = params.beta.f32(),
          .a = params.a,
          .dt_bias = params.dt_bias,
          .state = params.state,
          .starts = params.sequence_starts.i32(),
          .slots = params.state_slots.i32(),
          .output = params.output.f32(),
          .num_k_heads = params.num_k_heads,
          .num_v_heads = params.num_v_heads,
          .dim = params.dim,
          .num_sequences = params.num_sequences,
          .num_tokens = static_cast<int>(params.mixed.rows()),
          .epsilon = params.epsilon};
}

void delta_net(const DeltaNetParams& params, const Exec& exec) {
  check_delta_net(params);
  device::Launch({.grid = dim3(static_cast<unsigned>(params.dim / kThreadsALane),
                               static_cast<unsigned>(params.num_v_heads),
                               static_cast<unsigned>(params.num_sequences)),
                  .block = dim3(32),
                  .stream = exec.stream,
                  .overlaps_previous = true})(delta_net_kernel, delta_net_call(params));
}

}  // namespace shoal::kernels::cuda
