// Ops that a backend may run in one launch: each is defined as a sequence of the ops of the other
// headers, and gives the same bits as that sequence. kernels/ops/composed.h is that sequence.
#pragma once
#include <span>

#include "kernels/ops/attention.h"
#include "kernels/ops/delta_net.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/input_rows.h"
#include "kernels/ops/norm.h"

namespace shoal::kernels {

// hidden = hidden + addend (where there is one); output = norm(hidden; weight) in the formats that
// `output` has pointers for. output.f32 is always there.
struct NormInputsParams {
  TensorView hidden;    // [n, cols] f32, in place
  TensorView addend;    // [n, cols] f32; data null: none
  const float* weight;  // [cols]
  float epsilon;
  InputRows output;  // [n, cols]
};

// Several matrices on the same rows.
struct Projection {
  WeightView weight;  // [out, cols]
  TensorView output;  // [n, out] f32
};
struct ProjectParams {
  InputRows input;
  std::span<const Projection> projections;
};

// conv_silu, delta_net, gated_norm, quantize_rows: the inside of a DeltaNet layer. conv.output is
// delta.mixed, delta.output is norm.input and norm.output, and all are scratch: a backend may leave
// them unwritten. `output` has int16; its f32 is norm.output.
struct DeltaMixParams {
  ConvParams conv;
  DeltaNetParams delta;
  GatedNormParams norm;
  InputRows output;  // [n, num_v_heads * dim]
};

// qk_norm_rope of queries and keys, attention, sigmoid_mul, quantize_rows: the inside of an
// attention layer. attention.output is gate.values, and scratch. `output` has int16; its f32 is
// attention.output.
struct AttentionMixParams {
  QkNormRopeParams query, key;
  AttentionParams attention;
  SigmoidMulParams gate;
  InputRows output;  // [n, num_heads * head_dim]
};

// silu_mul, quantize_rows: the inside of the shared expert. mul.output is output.f32.
struct SiluInputsParams {
  SiluMulParams mul;
  InputRows output;
};

}  // namespace shoal::kernels
