#include <array>
#include <cmath>

#include "kernels/lanes.h"
#include "kernels/math.h"
#include "kernels/ops/rope_angles.h"
#include "kernels/reference/reference_ops.h"
#include "runtime/base/check.h"

namespace shoal::kernels::reference {
namespace {

struct Norm {
  const float* weight;
  int64_t count;
  float epsilon;

  void apply(const float* x, float* y) const {
    const float mean = lane_dot(x, x, count) / static_cast<float>(count);
    const float scale = 1.0f / std::sqrt(mean + epsilon);
    for (int64_t k = 0; k < count; ++k) y[k] = (x[k] * scale) * weight[k];
  }
};

}  // namespace

void rms_norm(const RmsNormParams& params, const Exec&) {
  const Norm norm{params.weight, params.input.cols(), params.epsilon};
  for (int64_t t = 0; t < params.input.rows(); ++t)
    norm.apply(params.input.row(t), params.output.row(t));
}

void qk_norm_rope(const QkNormRopeParams& params, const Exec&) {
  const Norm norm{params.weight, params.head_dim, params.epsilon};
  const RopeFrequencies frequencies(params.rotary_dim, params.rope_base);
  const int half = params.rotary_dim / 2;
  RopeAngles angles;
  for (int64_t t = 0; t < params.heads.rows(); ++t) {
    frequencies.angles_at(params.positions.i32()[t], angles);
    for (int h = 0; h < params.num_heads; ++h) {
      float* head = params.heads.row(t) + h * params.head_stride;
      norm.apply(head, head);
      for (int i = 0; i < half; ++i) {
        const float a = head[i];
        const float b = head[i + half];
        head[i] = std::fma(a, angles.cosine[i], -(b * angles.sine[i]));
        head[i + half] = std::fma(b, angles.cosine[i], a * angles.sine[i]);
      }
    }
  }
}

void gated_norm(const GatedNormParams& params, const Exec&) {
  const Norm norm{params.weight, params.dim, params.epsilon};
  const int64_t num_heads = params.input.cols() / params.dim;
  for (int64_t t = 0; t < params.input.rows(); ++t) {
    for (int64_t h = 0; h < num_heads; ++h) {
      const float* gate = params.gate.row(t) + h * params.dim;
      float* y = params.output.row(t) + h * params.dim;
      norm.apply(params.input.row(t) + h * params.dim, y);
      for (int k = 0; k < params.dim; ++k) y[k] = y[k] * silu(gate[k]);
    }
  }
}

}  // namespace shoal::kernels::reference
