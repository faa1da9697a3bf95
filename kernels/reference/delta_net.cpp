#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/lanes.h"
#include "kernels/math.h"
#include "kernels/reference/reference_ops.h"
#include "runtime/base/check.h"

namespace shoal::kernels::reference {
namespace {

using Vector = std::array<float, kMaxDeltaNetDim>;

float inverse_norm(const float* x, const DeltaNetParams& params) {
  return 1.0f / std::max(std::sqrt(lane_dot(x, x, params.dim)), params.epsilon);
}

float sum_of(const float (&l)[kStateLanes]) { return (l[0] + l[1]) + (l[2] + l[3]); }

// One token of one V head; `state` is [dim, dim].
void step(const DeltaNetParams& params, int64_t token, int head, float* state) {
  const int dim = params.dim;
  const float* mixed = params.mixed.row(token);
  const int k_head = head % params.num_k_heads;
  const float* raw_q = mixed + k_head * dim;
  const float* raw_k = mixed + (params.num_k_heads + k_head) * dim;
  const float* v = mixed + (2 * params.num_k_heads + head) * dim;
  float* output = params.output.row(token) + head * dim;

  const float q_inverse = inverse_norm(raw_q, params);
  const float k_inverse = inverse_norm(raw_k, params);
  const float q_scale = 1.0f / std::sqrt(static_cast<float>(dim));
  Vector q, k;
  for (int i = 0; i < dim; ++i) q[i] = (raw_q[i] * q_inverse) * q_scale;
  for (int i = 0; i < dim; ++i) k[i] = raw_k[i] * k_inverse;

  const float beta = sigmoid(params.beta.row(token)[head]);
  const float decay =
      exp_f32(params.a[head] * softplus(params.alpha.row(token)[head] + params.dt_bias[head]));

  for (int i = 0; i < dim * dim; ++i) state[i] = decay * state[i];
  for (int j = 0; j < dim; ++j) {
    float p[kStateLanes] = {};
    for (int i = 0; i < dim; ++i)
      p[i % kStateLanes] = std::fma(state[i * dim + j], k[i], p[i % kStateLanes]);
    const float e = beta * (v[j] - sum_of(p));
    float o[kStateLanes] = {};
    for (int i = 0; i < dim; ++i) {
      state[i * dim + j] = std::fma(k[i], e, state[i * dim + j]);
      o[i % kStateLanes] = std::fma(state[i * dim + j], q[i], o[i % kStateLanes]);
    }
    output[j] = sum_of(o);
  }
}

}  // namespace

void delta_net(const DeltaNetParams& params, const Exec&) {
  const int dim = params.dim;
  SHOAL_ASSERT(dim % kLanes == 0 && dim <= kMaxDeltaNetDim, "dim {}", dim);
  for (int s = 0; s < params.num_sequences; ++s) {
    const int32_t* starts = params.sequence_starts.i32();
    const int64_t first_head = int64_t{params.state_slots.i32()[s]} * params.num_v_heads;
    for (int64_t t = starts[s]; t < starts[s + 1]; ++t)
      for (int h = 0; h < params.num_v_heads; ++h)
        step(params, t, h, params.state + (first_head + h) * dim * dim);
  }
}

}  // namespace shoal::kernels::reference
