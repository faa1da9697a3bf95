#include <cmath>

#include "kernels/math.h"
#include "kernels/reference/reference_ops.h"

namespace shoal::kernels::reference {

void silu_mul(const SiluMulParams& params, const Exec&) {
  const float* gate = params.gate.f32();
  const float* up = params.up.f32();
  float* output = params.output.f32();
  for (int64_t i = 0; i < params.output.elements(); ++i) output[i] = silu(gate[i]) * up[i];
}

void sigmoid_mul(const SigmoidMulParams& params, const Exec&) {
  for (int64_t t = 0; t < params.values.rows(); ++t) {
    for (int h = 0; h < params.num_heads; ++h) {
      float* values = params.values.row(t) + h * params.dim;
      const float* gate = params.gate.row(t) + h * params.gate_stride + params.gate_offset;
      for (int d = 0; d < params.dim; ++d) values[d] = values[d] * sigmoid(gate[d]);
    }
  }
}

void add_scaled(const AddScaledParams& params, const Exec&) {
  for (int64_t t = 0; t < params.output.rows(); ++t) {
    const float scale = params.gate == nullptr ? 1.0f : sigmoid(params.gate[t]);
    const float* input = params.input.row(t);
    float* output = params.output.row(t);
    for (int64_t k = 0; k < params.output.cols(); ++k)
      output[k] = std::fma(scale, input[k], output[k]);
  }
}

}  // namespace shoal::kernels::reference
