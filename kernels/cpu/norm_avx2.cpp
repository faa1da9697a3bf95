#include <cmath>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/math_avx2.h"
#include "kernels/cpu/rows_per_piece.h"
#include "kernels/ops/rope_angles.h"

namespace shoal::kernels::cpu {
namespace {

struct Norm {
  const float* weight;
  int64_t count;
  float epsilon;

  void apply(const float* x, float* y) const {
    const float mean = lane_dot(x, x, count) / static_cast<float>(count);
    const __m256 scale = _mm256_set1_ps(1.0f / std::sqrt(mean + epsilon));
    for_each_vector(count, [&](int64_t k, auto part) {
      const __m256 scaled = _mm256_mul_ps(part.load(x + k), scale);
      part.store(y + k, _mm256_mul_ps(scaled, part.load(weight + k)));
    });
  }
};

void rotate(float* head, int half, const RopeAngles& angles) {
  for_each_vector(half, [&](int64_t i, auto part) {
    const __m256 a = part.load(head + i);
    const __m256 b = part.load(head + half + i);
    const __m256 sine = part.load(angles.sine.data() + i);
    const __m256 cosine = part.load(angles.cosine.data() + i);
    part.store(head + i, _mm256_fmsub_ps(a, cosine, _mm256_mul_ps(b, sine)));
    part.store(head + half + i, _mm256_fmadd_ps(b, cosine, _mm256_mul_ps(a, sine)));
  });
}

}  // namespace

void rms_norm(const RmsNormParams& params, const Exec& exec) {
  const Norm norm{params.weight, params.input.cols(), params.epsilon};
  exec.pool->parallel_for(
      params.input.rows(), rows_per_piece(norm.count), [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) norm.apply(params.input.row(t), params.output.row(t));
      });
}

void qk_norm_rope(const QkNormRopeParams& params, const Exec& exec) {
  const Norm norm{params.weight, params.head_dim, params.epsilon};
  const RopeFrequencies frequencies(params.rotary_dim, params.rope_base);
  const int64_t grain = rows_per_piece(params.num_heads * params.head_dim);
  exec.pool->parallel_for(params.heads.rows(), grain, [&](int64_t begin, int64_t end) {
    RopeAngles angles;
    for (int64_t t = begin; t < end; ++t) {
      frequencies.angles_at(params.positions.i32()[t], angles);
      for (int h = 0; h < params.num_heads; ++h) {
        float* head = params.heads.row(t) + h * params.head_stride;
        norm.apply(head, head);
        rotate(head, params.rotary_dim / 2, angles);
      }
    }
  });
}

void gated_norm(const GatedNormParams& params, const Exec& exec) {
  const Norm norm{params.weight, params.dim, params.epsilon};
  const int64_t num_heads = params.input.cols() / params.dim;
  const int64_t grain = rows_per_piece(params.dim);
  exec.pool->parallel_for(params.input.rows() * num_heads, grain, [&](int64_t begin, int64_t end) {
    // Heads lie one behind the other, over the end of a row too.
    for (int64_t h = begin; h < end; ++h) {
      const float* gate = params.gate.f32() + h * params.dim;
      float* y = params.output.f32() + h * params.dim;
      norm.apply(params.input.f32() + h * params.dim, y);
      for_each_vector(params.dim, [&](int64_t k, auto part) {
        part.store(y + k, _mm256_mul_ps(part.load(y + k), silu(part.load(gate + k))));
      });
    }
  });
}

}  // namespace shoal::kernels::cpu
