// The two recurrent ops of a Gated DeltaNet layer. Both walk tokens in order, one at a time, so
// the state bits depend only on the tokens seen, never on how they were cut into chunks.
#pragma once
#include "runtime/base/tensor_view.h"

namespace shoal::kernels {

// Depthwise causal convolution over the last `kernel` tokens, then SiLU.
//   s[c] = sum over j of w[c][j] * u[t - (kernel-1) + j][c]   (fma in rising j)
// conv_state holds the last kernel-1 raw inputs of a sequence, oldest first, and is updated.
struct ConvParams {
  TensorView input;          // [n, channels] f32, raw u
  const float* weight;       // [channels, kernel]
  int kernel;                // 4
  float* conv_state;         // [num_slots, kernel - 1, channels]
  int num_sequences;
  TensorView sequence_starts;  // [num_sequences + 1] i32
  TensorView state_slots;      // [num_sequences] i32
  TensorView output;         // [n, channels] f32
};

// Per V head h with K head h mod num_k_heads, on conv output rows [Q heads][K heads][V heads]:
//   q, k = x / max(|x|, epsilon) (L2 over `dim`, lanes and tree as in norm.h), q *= 1/sqrt(dim)
//   beta = sigmoid(beta_logit), decay = exp(a[h] * softplus(alpha + dt_bias[h]))
//   S = decay * S;  p = S^T k;  e = beta (v - p);  S = S + k e^T;  o = S^T q
// State layout [slot, V head, i (key), j (value)], j contiguous. Sums over i rise from 0 with fma.
struct DeltaNetParams {
  TensorView mixed;          // [n, 2 * num_k_heads * dim + num_v_heads * dim] f32: after conv
  TensorView alpha, beta;    // [n, num_v_heads] f32: raw projections
  const float* a;            // [num_v_heads], already -exp(A_log)
  const float* dt_bias;      // [num_v_heads]
  int num_k_heads, num_v_heads, dim;
  float epsilon;
  float* state;              // [num_slots, num_v_heads, dim, dim]
  int num_sequences;
  TensorView sequence_starts;  // [num_sequences + 1] i32
  TensorView state_slots;      // [num_sequences] i32
  TensorView output;         // [n, num_v_heads * dim] f32
};

}  // namespace shoal::kernels
