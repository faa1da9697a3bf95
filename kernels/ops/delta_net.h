// The two recurrent ops of a Gated DeltaNet layer. Both walk tokens in order, one at a time, so
// the state bits depend only on the tokens seen, never on how they were cut into chunks.
#pragma once
#include "runtime/base/tensor_view.h"

namespace shoal::kernels {

inline constexpr int kMaxConvKernel = 8;

// Depthwise causal convolution over the last `kernel` tokens, then SiLU.
//   s[c] = sum over j of w[c][j] * u[t - (kernel-1) + j][c]   (from 0, fma in rising j)
// conv_state holds the last kernel-1 raw inputs of a sequence, oldest first, and is updated: a
// chunk shorter than kernel-1 shifts it. A sequence without rows leaves its state alone.
struct ConvParams {
  TensorView input;     // [n, channels] f32, raw u
  const float* weight;  // [channels, kernel]
  int kernel;           // 4; 1 to kMaxConvKernel
  float* conv_state;    // [num_slots, kernel - 1, channels]
  int num_sequences;
  TensorView sequence_starts;  // [num_sequences + 1] i32
  TensorView state_slots;      // [num_sequences] i32
  TensorView output;           // [n, channels] f32; not the input
};

inline constexpr int kMaxDeltaNetDim = 256;
inline constexpr int kStateLanes = 4;  // of a sum over a state's column

// Per V head h with K head h mod num_k_heads, on conv output rows [Q heads][K heads][V heads]:
//   q, k = x / max(|x|, epsilon) (L2 over `dim`, lanes and tree as in norm.h), q *= 1/sqrt(dim)
//   beta = sigmoid(beta_logit), decay = exp(a[h] * softplus(alpha + dt_bias[h]))
//   S = decay * S;  p = S^T k;  e = beta (v - p);  S = S + k e^T;  o = S^T q
// State layout [slot, V head, i (key), j (value)], j contiguous. In full, every column j by itself:
//   inv = 1 / max(sqrt(sum of squares), epsilon);  k_i = x_i * inv;
//   q_i = (x_i * inv) * (1 / sqrt(float(dim)))
//   p: four lanes, i belongs to lane i mod 4, each rising from 0 with
//      p_lane = fma(decay * S[i][j], k_i, p_lane);  then p = (p_0 + p_1) + (p_2 + p_3)
//   e = beta * (v_j - p)
//   S[i][j] = fma(k_i, e, decay * S[i][j])
//   o: lanes and tree as p's, of o_lane = fma(S[i][j], q_i, o_lane)
// The product decay * S is rounded both times alike, so it may be stored between the passes or not.
// sigmoid, exp and softplus: kernels/math.h.
struct DeltaNetParams {
  TensorView mixed;        // [n, 2 * num_k_heads * dim + num_v_heads * dim] f32: after conv
  TensorView alpha, beta;  // [n, num_v_heads] f32: raw projections
  const float* a;          // [num_v_heads], already -exp(A_log)
  const float* dt_bias;    // [num_v_heads]
  int num_k_heads, num_v_heads, dim;  // dim a multiple of 8, at most kMaxDeltaNetDim
  float epsilon;
  float* state;  // [num_slots, num_v_heads, dim, dim]
  int num_sequences;
  TensorView sequence_starts;  // [num_sequences + 1] i32
  TensorView state_slots;      // [num_sequences] i32
  TensorView output;           // [n, num_v_heads * dim] f32
};

}  // namespace shoal::kernels
