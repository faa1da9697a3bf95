#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/math_avx2.h"
#include "runtime/base/check.h"

namespace shoal::kernels::cpu {
namespace {

// Tokens whose q and k are prepared together; a block of columns then takes all of them while its
// part of the state (dim x 32 floats, 16 KiB at dim 128) stays in L1.
constexpr int kTokenTile = 8;
constexpr int kColumnVectors = 4;

struct Token {
  alignas(32) float q[kMaxDeltaNetDim];
  alignas(32) float k[kMaxDeltaNetDim];
  const float* v;  // [dim]
  float* output;   // [dim]
  float decay;
  float beta;
};

// One V head of one sequence.
class Head {
 public:
  Head(const DeltaNetParams& params, int index)
      : params_(params),
        index_(index),
        k_head_(index % params.num_k_heads),
        q_scale_(1.0f / std::sqrt(static_cast<float>(params.dim))) {}

  void run(int64_t begin, int64_t end, float* state) const {
    Token tokens[kTokenTile];
    for (int64_t t = begin; t < end; t += kTokenTile) {
      const int count = static_cast<int>(std::min<int64_t>(kTokenTile, end - t));
      for (int i = 0; i < count; ++i) prepare(t + i, tokens[i]);
      int column = 0;
      for (; column + kColumnVectors * kLanes <= params_.dim; column += kColumnVectors * kLanes)
        for (int i = 0; i < count; ++i) step<kColumnVectors>(tokens[i], column, state);
      for (; column < params_.dim; column += kLanes)
        for (int i = 0; i < count; ++i) step<1>(tokens[i], column, state);
    }
  }

 private:
  void prepare(int64_t row, Token& token) const {
    const int dim = params_.dim;
    const float* mixed = params_.mixed.row(row);
    const float* q = mixed + k_head_ * dim;
    const float* k = mixed + (params_.num_k_heads + k_head_) * dim;
    const __m256 q_inverse = _mm256_set1_ps(inverse_norm(q));
    const __m256 k_inverse = _mm256_set1_ps(inverse_norm(k));
    for (int i = 0; i < dim; i += kLanes) {
      const __m256 unit = _mm256_mul_ps(_mm256_loadu_ps(q + i), q_inverse);
      _mm256_store_ps(token.q + i, _mm256_mul_ps(unit, _mm256_set1_ps(q_scale_)));
      _mm256_store_ps(token.k + i, _mm256_mul_ps(_mm256_loadu_ps(k + i), k_inverse));
    }
    token.v = mixed + (2 * params_.num_k_heads + index_) * dim;
    token.output = params_.output.row(row) + index_ * dim;
    token.beta = sigmoid(params_.beta.row(row)[index_]);
    token.decay = exp_f32(params_.a[index_] *
                          softplus(params_.alpha.row(row)[index_] + params_.dt_bias[index_]));
  }

  float inverse_norm(const float* x) const {
    return 1.0f / std::max(std::sqrt(lane_dot(x, x, params_.dim)), params_.epsilon);
  }

  // Columns `column` onwards, kVectors * 8 of them. The decayed state is computed in both passes
  // instead of stored between them: a multiply is cheaper than a store.
  template <int kVectors>
  void step(const Token& token, int column, float* state) const {
    const int dim = params_.dim;
    const __m256 decay = _mm256_set1_ps(token.decay);
    float* const first = state + column;
    __m256 e[kVectors];
    for (int c = 0; c < kVectors; ++c) e[c] = _mm256_setzero_ps();
    for (int i = 0; i < dim; ++i) {
      const float* s = first + i * dim;
      const __m256 k = _mm256_broadcast_ss(token.k + i);
      for (int c = 0; c < kVectors; ++c)
        e[c] = _mm256_fmadd_ps(_mm256_mul_ps(decay, _mm256_loadu_ps(s + c * kLanes)), k, e[c]);
    }
    for (int c = 0; c < kVectors; ++c) {
      const __m256 v = _mm256_loadu_ps(token.v + column + c * kLanes);
      e[c] = _mm256_mul_ps(_mm256_set1_ps(token.beta), _mm256_sub_ps(v, e[c]));
    }
    __m256 o[kVectors];
    for (int c = 0; c < kVectors; ++c) o[c] = _mm256_setzero_ps();
    for (int i = 0; i < dim; ++i) {
      float* s = first + i * dim;
      const __m256 k = _mm256_broadcast_ss(token.k + i);
      const __m256 q = _mm256_broadcast_ss(token.q + i);
      for (int c = 0; c < kVectors; ++c) {
        const __m256 decayed = _mm256_mul_ps(decay, _mm256_loadu_ps(s + c * kLanes));
        const __m256 updated = _mm256_fmadd_ps(k, e[c], decayed);
        _mm256_storeu_ps(s + c * kLanes, updated);
        o[c] = _mm256_fmadd_ps(updated, q, o[c]);
      }
    }
    for (int c = 0; c < kVectors; ++c) _mm256_storeu_ps(token.output + column + c * kLanes, o[c]);
  }

  const DeltaNetParams& params_;
  int index_;
  int k_head_;
  float q_scale_;
};

}  // namespace

void delta_net(const DeltaNetParams& params, const Exec& exec) {
  const int dim = params.dim;
  SHOAL_ASSERT(dim % kLanes == 0 && dim <= kMaxDeltaNetDim, "dim {}", dim);
  const int64_t num_heads = params.num_v_heads;
  exec.pool->parallel_for(params.num_sequences * num_heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t s = index / num_heads;
      const int64_t h = index % num_heads;
      const int32_t* starts = params.sequence_starts.i32();
      const int64_t slot = params.state_slots.i32()[s];
      float* state = params.state + (slot * num_heads + h) * dim * dim;
      Head(params, static_cast<int>(h)).run(starts[s], starts[s + 1], state);
    }
  });
}

}  // namespace shoal::kernels::cpu
