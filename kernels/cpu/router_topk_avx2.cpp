#include <algorithm>
#include <limits>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/math_avx2.h"
#include "kernels/cpu/rows_per_piece.h"
#include "kernels/reference/reference_ops.h"
#include "runtime/base/check.h"

namespace shoal::kernels::cpu {
namespace {

// Below every probability: what pads the last vector and stands where an expert was taken.
constexpr float kTaken = -1.0f;

class Softmax {
 public:
  Softmax(const float* logits, int num_experts)
      : num_vectors_((num_experts + kLanes - 1) / kLanes) {
    __m256 max = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
    for_each_vector(num_experts, [&](int64_t k, auto part) {
      max = part.select(max, _mm256_max_ps(part.load(logits + k), max));
    });
    max = _mm256_set1_ps(lane_max(max));
    __m256 sum = _mm256_setzero_ps();
    for_each_vector(num_experts, [&](int64_t k, auto part) {
      const __m256 e = exp_f32(_mm256_sub_ps(part.load(logits + k), max));
      sum = part.select(sum, _mm256_add_ps(sum, e));
      _mm256_store_ps(p_ + k, e);
    });
    const float total = lane_tree(sum);
    is_number_ = total == total;
    for_each_vector(num_experts, [&](int64_t k, auto part) {
      const __m256 p = _mm256_div_ps(_mm256_load_ps(p_ + k), _mm256_set1_ps(total));
      _mm256_store_ps(p_ + k, part.select(_mm256_set1_ps(kTaken), p));
    });
  }

  // Takes the largest probability, the lowest id among equals, out of the running.
  int take_largest(float& probability) {
    __m256 max = _mm256_load_ps(p_);
    for (int v = 1; v < num_vectors_; ++v)
      max = _mm256_max_ps(max, _mm256_load_ps(p_ + v * kLanes));
    probability = lane_max(max);
    max = _mm256_set1_ps(probability);
    for (int v = 0;; ++v) {
      const __m256 equal = _mm256_cmp_ps(_mm256_load_ps(p_ + v * kLanes), max, _CMP_EQ_OQ);
      const int mask = _mm256_movemask_ps(equal);
      if (mask == 0) continue;
      const int id = v * kLanes + __builtin_ctz(mask);
      p_[id] = kTaken;
      return id;
    }
  }

  bool is_number() const { return is_number_; }

 private:
  int num_vectors_;
  bool is_number_;
  alignas(32) float p_[kMaxExperts];
};

void choose(const RouterParams& params, int64_t token) {
  Softmax softmax(params.logits.row(token), static_cast<int>(params.logits.cols()));
  int32_t* ids = params.topk_ids.i32() + token * params.num_topk;
  float* weights = params.topk_weights.row(token);
  float sum = 0.0f;
  for (int k = 0; k < params.num_topk; ++k) {
    if (softmax.is_number()) {
      ids[k] = softmax.take_largest(weights[k]);
    } else {
      ids[k] = k;
      weights[k] = std::numeric_limits<float>::quiet_NaN();
    }
    sum += weights[k];
  }
  const float divisor = std::max(sum, kMinTopkSum);
  for (int k = 0; k < params.num_topk; ++k) weights[k] = weights[k] / divisor;
}

}  // namespace

void router_topk(const RouterParams& params, const Exec& exec) {
  const int64_t num_experts = params.logits.cols();
  SHOAL_ASSERT(num_experts <= kMaxExperts && params.num_topk <= num_experts,
               "{} of {} experts",
               params.num_topk,
               num_experts);
  // About num_topk passes over the row after the softmax.
  const int64_t grain = rows_per_piece(num_experts * (params.num_topk + 4));
  exec.pool->parallel_for(params.logits.rows(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) choose(params, t);
  });
  if (params.groups != nullptr) reference::group_rows({params.topk_ids, *params.groups}, exec);
}

}  // namespace shoal::kernels::cpu
