// Columns of a head's state are independent, so a warp takes 32 of them and keeps them in
// registers for all tokens of its sequence; the head's q and k are worked out again by each.
// A decode step has a launch of its own, a thread block a head, that also norms, gates and
// quantises what comes out.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/quantize_rows.cuh"
#include "kernels/ops/composed.h"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

struct DeltaNetCall {
  const float* mixed;
  const float* alpha;
  const float* beta;
  const float* a;
  const float* dt_bias;
  float* state;
  const int32_t* starts;
  const int32_t* slots;
  float* output;
  int num_k_heads, num_v_heads, dim;
  float epsilon;

  __device__ int64_t mixed_cols() const {
    return static_cast<int64_t>(2 * num_k_heads + num_v_heads) * dim;
  }
};

// One token as a warp sees it. Shared memory.
struct TokenVectors {
  alignas(16) float q[kMaxDeltaNetDim];
  alignas(16) float k[kMaxDeltaNetDim];
};

__device__ float inverse_norm(const float* x, int dim, float epsilon) {
  const float norm = __fsqrt_rn(lane_dot(x, x, dim));
  return __fdiv_rn(1.0f, norm < epsilon ? epsilon : norm);
}

__device__ void load_token(const DeltaNetCall& call, int64_t token, int head, TokenVectors& out) {
  const int k_head = head % call.num_k_heads;
  const float* mixed = call.mixed + token * call.mixed_cols();
  const float* raw_q = mixed + k_head * call.dim;
  const float* raw_k = mixed + (call.num_k_heads + k_head) * call.dim;
  const float q_inverse = inverse_norm(raw_q, call.dim, call.epsilon);
  const float k_inverse = inverse_norm(raw_k, call.dim, call.epsilon);
  const float q_scale = __fdiv_rn(1.0f, __fsqrt_rn(static_cast<float>(call.dim)));
  __syncwarp();  // the token before this one has been read
  for (int i = threadIdx.x; i < call.dim; i += 32) {
    out.q[i] = (raw_q[i] * q_inverse) * q_scale;
    out.k[i] = raw_k[i] * k_inverse;
  }
  __syncwarp();  // q and k are written before all threads read them
}

struct Gates {
  float beta, decay;
};

__device__ Gates load_gates(const DeltaNetCall& call, int64_t token, int head) {
  const int64_t at = token * call.num_v_heads + head;
  return {sigmoid(call.beta[at]),
          exp_f32(call.a[head] * softplus(call.alpha[at] + call.dt_bias[head]))};
}

__device__ float load_v(const DeltaNetCall& call, int64_t token, int head, int j) {
  return call.mixed[token * call.mixed_cols() + (2 * call.num_k_heads + head) * call.dim + j];
}

// Grid: (columns / 32, V heads, sequences), a warp each. The column lies in registers.
template <int kDim>
__global__ void __launch_bounds__(32) delta_net_kernel(const __grid_constant__ DeltaNetCall call) {
  __shared__ TokenVectors vectors;
  wait_for_inputs();
  const int j = blockIdx.x * 32 + threadIdx.x;
  const int head = blockIdx.y;
  const int64_t begin = call.starts[blockIdx.z];
  const int64_t end = call.starts[blockIdx.z + 1];
  if (begin == end) return;
  const int64_t slot_head = static_cast<int64_t>(call.slots[blockIdx.z]) * call.num_v_heads + head;
  float* state = call.state + slot_head * kDim * kDim + j;
  float s[kDim];
#pragma unroll
  for (int i = 0; i < kDim; ++i) s[i] = state[i * kDim];
  for (int64_t token = begin; token < end; ++token) {
    load_token(call, token, head, vectors);
    const Gates gates = load_gates(call, token, head);
    const float v = load_v(call, token, head, j);
    float p = 0.0f;
#pragma unroll
    for (int i = 0; i < kDim; ++i) {
      s[i] = gates.decay * s[i];
      p = __fmaf_rn(s[i], vectors.k[i], p);
    }
    const float e = gates.beta * (v - p);
    float o = 0.0f;
#pragma unroll
    for (int i = 0; i < kDim; ++i) {
      s[i] = __fmaf_rn(vectors.k[i], e, s[i]);
      o = __fmaf_rn(s[i], vectors.q[i], o);
    }
    call.output[(token * call.num_v_heads + head) * kDim + j] = o;
  }
#pragma unroll
  for (int i = 0; i < kDim; ++i) state[i * kDim] = s[i];
}

// The same for any dim, with the column in device memory.
__global__ void __launch_bounds__(32)
    any_dim_delta_net_kernel(const __grid_constant__ DeltaNetCall call) {
  __shared__ TokenVectors vectors;
  wait_for_inputs();
  const int dim = call.dim;
  const int j = blockIdx.x * 32 + threadIdx.x;
  const int head = blockIdx.y;
  const int64_t slot_head = static_cast<int64_t>(call.slots[blockIdx.z]) * call.num_v_heads + head;
  float* state = call.state + slot_head * dim * dim + j;
  for (int64_t token = call.starts[blockIdx.z]; token < call.starts[blockIdx.z + 1]; ++token) {
    load_token(call, token, head, vectors);
    const Gates gates = load_gates(call, token, head);
    if (j >= dim) continue;
    float p = 0.0f;
    for (int i = 0; i < dim; ++i) p = __fmaf_rn(gates.decay * state[i * dim], vectors.k[i], p);
    const float e = gates.beta * (load_v(call, token, head, j) - p);
    float o = 0.0f;
    for (int i = 0; i < dim; ++i) {
      const float s = __fmaf_rn(vectors.k[i], e, gates.decay * state[i * dim]);
      state[i * dim] = s;
      o = __fmaf_rn(s, vectors.q[i], o);
    }
    call.output[(token * call.num_v_heads + head) * dim + j] = o;
  }
}

// What follows the recurrence in a decode step.
struct GatedOutput {
  const float* gate;
  const float* weight;
  float epsilon;
  float* f32;
  int16_t* values;
  float* scales;
  float* sums;
};

template <int kDim>
struct DecodeScratch {
  TokenVectors vectors;
  float inverse[2];  // of the norms of q and k
  Gates gates;
  alignas(16) float out[kDim];
  float scale;
};

// One token a sequence. Grid: (V heads, sequences), a thread a column.
template <int kDim>
__global__ void __launch_bounds__(kDim) decode_kernel(const __grid_constant__ DeltaNetCall call,
                                                      const __grid_constant__ GatedOutput output) {
  __shared__ DecodeScratch<kDim> scratch;
  const int j = threadIdx.x;
  const int head = blockIdx.x;
  // State and batch arrays are older than the launch before this one (dependent_launch.cuh).
  const int64_t token = call.starts[blockIdx.y];
  const int64_t slot_head = static_cast<int64_t>(call.slots[blockIdx.y]) * call.num_v_heads + head;
  float* state = call.state + slot_head * kDim * kDim + j;
  float s[kDim];
#pragma unroll
  for (int i = 0; i < kDim; ++i) s[i] = state[i * kDim];
  wait_for_inputs();
  const int k_head = head % call.num_k_heads;
  const float* mixed = call.mixed + token * call.mixed_cols();
  const float* raw_q = mixed + k_head * kDim;
  const float* raw_k = mixed + (call.num_k_heads + k_head) * kDim;
  const float v = load_v(call, token, head, j);
  const float q_j = raw_q[j], k_j = raw_k[j];
  if (j < 32) {
    const float inverse = inverse_norm(raw_q, kDim, call.epsilon);
    if (j == 0) scratch.inverse[0] = inverse;
    const float other = inverse_norm(raw_k, kDim, call.epsilon);
    if (j == 0) scratch.inverse[1] = other;
  } else if (j == 32) {
    scratch.gates = load_gates(call, token, head);
  }
  __syncthreads();  // the norms and gates are written before all read them
  const float q_scale = __fdiv_rn(1.0f, __fsqrt_rn(static_cast<float>(kDim)));
  scratch.vectors.q[j] = (q_j * scratch.inverse[0]) * q_scale;
  scratch.vectors.k[j] = k_j * scratch.inverse[1];
  __syncthreads();  // q and k are written before all read them
  const Gates gates = scratch.gates;
  float p = 0.0f;
#pragma unroll
  for (int i = 0; i < kDim; ++i) {
    s[i] = gates.decay * s[i];
    p = __fmaf_rn(s[i], scratch.vectors.k[i], p);
  }
  const float e = gates.beta * (v - p);
  float o = 0.0f;
#pragma unroll
  for (int i = 0; i < kDim; ++i) {
    s[i] = __fmaf_rn(scratch.vectors.k[i], e, s[i]);
    o = __fmaf_rn(s[i], scratch.vectors.q[i], o);
    state[i * kDim] = s[i];
  }
  scratch.out[j] = o;
  __syncthreads();  // the head is whole before the first warp sums it
  if (j < 32) {
    const float sum = lane_dot(scratch.out, scratch.out, kDim);
    if (j == 0)
      scratch.scale =
          __fdiv_rn(1.0f, __fsqrt_rn(__fdiv_rn(sum, static_cast<float>(kDim)) + output.epsilon));
  }
  __syncthreads();  // the scale is written before all read it
  const int64_t at = (token * call.num_v_heads + head) * kDim + j;
  const float y = ((o * scratch.scale) * output.weight[j]) * silu(output.gate[at]);
  output.f32[at] = y;
  const QuantizedColumn column = quantize_column(y, kInt16Limit);
  output.values[at] = static_cast<int16_t>(column.value);
  if (j % 32 == 0) {
    output.scales[at / 32] = column.scale;
    output.sums[at / 32] = column.sum;
  }
}

DeltaNetCall call_of(const DeltaNetParams& params) {
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
          .epsilon = params.epsilon};
}

}  // namespace

void delta_net(const DeltaNetParams& params, const Exec& exec) {
  check_delta_net(params);
  const DeltaNetCall call = call_of(params);
  const device::Launch launch({.grid = dim3(static_cast<unsigned>((params.dim + 31) / 32),
                                            static_cast<unsigned>(params.num_v_heads),
                                            static_cast<unsigned>(params.num_sequences)),
                               .block = dim3(32),
                               .stream = exec.stream,
                               .overlaps_previous = true});
  switch (params.dim) {
    case 64:
      return launch(delta_net_kernel<64>, call);
    case 128:
      return launch(delta_net_kernel<128>, call);
    default:
      launch(any_dim_delta_net_kernel, call);
  }
}

void delta_mix(const DeltaMixParams& params, const Exec& exec) {
  const DeltaNetParams& delta = params.delta;
  const bool decodes = delta.mixed.rows() == delta.num_sequences;
  if (!decodes || (delta.dim != 64 && delta.dim != 128))
    return composed::delta_mix<conv_silu, delta_net, gated_norm, quantize_rows>(params, exec);
  check_delta_net(delta);
  conv_silu(params.conv, exec);
  const GatedOutput output = {.gate = params.norm.gate.f32(),
                              .weight = params.norm.weight,
                              .epsilon = params.norm.epsilon,
                              .f32 = params.output.f32,
                              .values = static_cast<int16_t*>(params.output.int16.values),
                              .scales = params.output.int16.scales,
                              .sums = params.output.int16.sums};
  device::Launch({.grid = dim3(static_cast<unsigned>(delta.num_v_heads),
                               static_cast<unsigned>(delta.num_sequences)),
                  .block = dim3(static_cast<unsigned>(delta.dim)),
                  .stream = exec.stream,
                  .overlaps_previous = true})(
      delta.dim == 64 ? decode_kernel<64> : decode_kernel<128>, call_of(delta), output);
}

}  // namespace shoal::kernels::cuda
