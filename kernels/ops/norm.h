// RMS norms and the rotary embedding. Sums of squares use eight f32 lanes (column k in lane
// k mod 8, fma) and the tree of matmul.h (kernels/lanes.h), so every backend gives the same bits.
// "Norm" below: s = 1 / sqrt(sum / float(count) + epsilon), each operation rounded once, then
// (x * s) * weight.
#pragma once
#include "runtime/base/tensor_view.h"

namespace shoal::kernels {

// y = norm(x; weight), row by row.
struct RmsNormParams {
  TensorView input;     // [n, hidden] f32
  const float* weight;  // [hidden]
  float epsilon;
  TensorView output;  // [n, hidden] f32; may be input itself
};

inline constexpr int kMaxRotaryDim = 512;

// Per head: RMS norm over head_dim, then rotation of the first rotary_dim dims, dim i paired with
// i + rotary_dim / 2, angle = position * base^(-2 i / rotary_dim). Angles and their sine and
// cosine are computed in double and rounded to f32 once (libm), the rotation is
//   a' = fma(a, cos, -(b * sin)),  b' = fma(b, cos, a * sin).
// What lies between head_dim and head_stride is not touched.
struct QkNormRopeParams {
  TensorView heads;  // [n, num_heads * head_stride] f32, in place
  int num_heads;
  int head_dim;         // floats of a head that are normed
  int head_stride;      // floats from one head to the next: 512 for attn_q (query, gate), 256 for K
  const float* weight;  // [head_dim]
  float epsilon;
  int rotary_dim;  // even, at most head_dim and kMaxRotaryDim
  float rope_base;
  TensorView positions;  // [n] i32
};

// DeltaNet's output norm: y = norm(x; weight) * SiLU(gate), per head of `dim`.
struct GatedNormParams {
  TensorView input;     // [n, num_heads * dim] f32
  TensorView gate;      // [n, num_heads * dim] f32
  const float* weight;  // [dim]
  int dim;
  float epsilon;
  TensorView output;  // [n, num_heads * dim] f32; may be input itself
};

}  // namespace shoal::kernels
