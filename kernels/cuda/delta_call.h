// What the CUDA kernels of a DeltaNet layer are launched with.
//   delta_net.cu       the recurrence by itself, any dim
//   delta_decode.cu    the whole of delta_mix, one token a sequence
//   delta_prefill.cu   the whole of delta_mix, any lengths
//   delta_mix.cpp      which of them
#pragma once
#include "kernels/ops/fused.h"
#include "runtime/base/exec.h"

namespace shoal::kernels::cuda {

// As DeltaNetParams, for a kernel.
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
  int num_sequences;
  int num_tokens;
  float epsilon;

  // Channels of the convolution.
  constexpr int64_t mixed_cols() const {
    return static_cast<int64_t>(2 * num_k_heads + num_v_heads) * dim;
  }
};

// The fused launches take this kernel size alone.
inline constexpr int kMixKernel = 4;
inline constexpr int kMixHistory = kMixKernel - 1;

struct DeltaMixCall {
  DeltaNetCall delta;
  const float* conv_input;   // [n, channels]
  const float* conv_weight;  // [channels, kMixKernel]
  float* conv_state;         // [slots, kMixHistory, channels]
  float* mixed;              // delta.mixed, to be written
  const float* gate;         // [n, num_v_heads * dim]
  const float* norm_weight;  // [dim]
  float norm_epsilon;
  float* f32;  // [n, num_v_heads * dim]: delta.output too
  int16_t* values;
  float* scales;
  float* sums;
};

DeltaNetCall delta_net_call(const DeltaNetParams& params);

// Both take dim 64 and 128. State, conv state and batch arrays must not have been written by the
// launch right before.
enum class ConvPlace { kInside, kBefore };  // kBefore: conv_silu has made `mixed`
void launch_delta_decode(const DeltaMixCall& call, ConvPlace conv, Stream stream);
void launch_delta_prefill(const DeltaMixCall& call, Stream stream);

// Hopper's clusters share the convolution's state out; this many V heads of a K head at most.
inline constexpr int kMaxHeadsACluster = 8;

}  // namespace shoal::kernels::cuda
