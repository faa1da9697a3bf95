// Element-wise ops. exp() and what stands on it is our own polynomial (kernels/math.h), the same
// sequence of operations in scalar and vector code, so backends agree bit for bit. It also defines
// sigmoid(x) = 1 / (1 + e^-x) and SiLU(x) = x / (1 + e^-x), each operation rounded once.
#pragma once
#include "runtime/base/tensor_view.h"

namespace shoal::kernels {

// output = SiLU(gate) * up
struct SiluMulParams {
  TensorView gate, up;  // [n, cols] f32
  TensorView output;    // [n, cols] f32; may be either input
};

// values *= sigmoid(gate), gate taken with a stride: attention's gate lies behind its query.
//   values[t][h * dim + d] *= sigmoid(gate[t][h * gate_stride + gate_offset + d])
struct SigmoidMulParams {
  TensorView values;  // [n, num_heads * dim] f32, in place
  TensorView gate;    // [n, num_heads * gate_stride] f32
  int num_heads, dim, gate_stride, gate_offset;
};

// output[t] += scale(t) * input[t], scale(t) = 1 or sigmoid(gate[t]); one fma an element.
struct AddScaledParams {
  TensorView input;   // [n, cols] f32
  const float* gate;  // [n] or null
  TensorView output;  // [n, cols] f32
};

}  // namespace shoal::kernels
