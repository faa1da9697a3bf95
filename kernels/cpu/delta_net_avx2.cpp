#include <algorithm>
#include <cmath>
#include <span>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/math_avx2.h"
#include "runtime/base/check.h"

namespace shoal::kernels::cpu {
namespace {

// Tokens whose q and k are prepared together. Several take a block of columns one after another, in
// a packed copy of its part of the state (dim x 16 floats, 8 KiB at dim 128), which stays in L1: in
// place its rows lie a power of two apart and would crowd into a few of L1's sets.
constexpr int kTokenTile = 32;
// Column vectors at a time. With as many lanes at a time they make eight chains of fma, which hide
// its latency. A token by itself reads the state from afar, in longer pieces.
constexpr int kChains = 8;
constexpr int kPackedVectors = 2;
constexpr int kLoneVectors = 8;

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
      const std::span<const Token> tile(tokens, static_cast<size_t>(count));
      int column = 0;
      if (count == 1)
        for (; column + kLoneVectors * kLanes <= params_.dim; column += kLoneVectors * kLanes)
          step<kLoneVectors>(tokens[0], column, {state + column, params_.dim});
      for (; column + kPackedVectors * kLanes <= params_.dim; column += kPackedVectors * kLanes)
        walk_packed<kPackedVectors>(tile, column, state + column);
      for (; column < params_.dim; column += kLanes) walk_packed<1>(tile, column, state + column);
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

  // Columns `column` onwards, kVectors * 8 of them, which begin at `state`.
  template <int kVectors>
  void walk_packed(std::span<const Token> tokens, int column, float* state) const {
    constexpr int kPacked = kVectors * kLanes;
    const int dim = params_.dim;
    alignas(32) float packed[kMaxDeltaNetDim * kPacked];
    for (int i = 0; i < dim; ++i) std::copy_n(state + i * dim, kPacked, packed + i * kPacked);
    for (const Token& token : tokens) step<kVectors>(token, column, {packed, kPacked});
    for (int i = 0; i < dim; ++i) std::copy_n(packed + i * kPacked, kPacked, state + i * dim);
  }

  struct Columns {
    float* first;
    int stride;  // floats from row to row
  };

  // The decayed state is computed in both passes instead of stored between them: a multiply is
  // cheaper than a store.
  template <int kVectors>
  void step(const Token& token, int column, const Columns& columns) const {
    constexpr int kTogether = std::min(kStateLanes, kChains / kVectors);  // lanes at a time
    const int dim = params_.dim;
    const __m256 decay = _mm256_set1_ps(token.decay);
    __m256 sums[kStateLanes][kVectors];
    for (int first = 0; first < kStateLanes; first += kTogether) {
      __m256 p[kTogether][kVectors] = {};
      for (int i = first; i < dim; i += kStateLanes)
        for (int lane = 0; lane < kTogether; ++lane) {
          const float* s = columns.first + (i + lane) * columns.stride;
          const __m256 k = _mm256_broadcast_ss(token.k + i + lane);
          for (int c = 0; c < kVectors; ++c)
            p[lane][c] = _mm256_fmadd_ps(
                _mm256_mul_ps(decay, _mm256_loadu_ps(s + c * kLanes)), k, p[lane][c]);
        }
      for (int lane = 0; lane < kTogether; ++lane)
        for (int c = 0; c < kVectors; ++c) sums[first + lane][c] = p[lane][c];
    }
    __m256 e[kVectors];
    for (int c = 0; c < kVectors; ++c) {
      const __m256 v = _mm256_loadu_ps(token.v + column + c * kLanes);
      e[c] = _mm256_mul_ps(_mm256_set1_ps(token.beta), _mm256_sub_ps(v, sum_of(sums, c)));
    }
    for (int first = 0; first < kStateLanes; first += kTogether) {
      __m256 o[kTogether][kVectors] = {};
      for (int i = first; i < dim; i += kStateLanes)
        for (int lane = 0; lane < kTogether; ++lane) {
          float* s = columns.first + (i + lane) * columns.stride;
          const __m256 k = _mm256_broadcast_ss(token.k + i + lane);
          const __m256 q = _mm256_broadcast_ss(token.q + i + lane);
          for (int c = 0; c < kVectors; ++c) {
            const __m256 decayed = _mm256_mul_ps(decay, _mm256_loadu_ps(s + c * kLanes));
            const __m256 updated = _mm256_fmadd_ps(k, e[c], decayed);
            _mm256_storeu_ps(s + c * kLanes, updated);
            o[lane][c] = _mm256_fmadd_ps(updated, q, o[lane][c]);
          }
        }
      for (int lane = 0; lane < kTogether; ++lane)
        for (int c = 0; c < kVectors; ++c) sums[first + lane][c] = o[lane][c];
    }
    for (int c = 0; c < kVectors; ++c)
      _mm256_storeu_ps(token.output + column + c * kLanes, sum_of(sums, c));
  }

  template <int kVectors>
  static __m256 sum_of(const __m256 (&l)[kStateLanes][kVectors], int c) {
    return _mm256_add_ps(_mm256_add_ps(l[0][c], l[1][c]), _mm256_add_ps(l[2][c], l[3][c]));
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
