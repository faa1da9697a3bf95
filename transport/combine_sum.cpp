#include "transport/combine_sum.h"

#include "runtime/base/check.h"

namespace shoal::transport {
namespace {

// Multiply-adds below which waking the pool costs more than they do.
constexpr int64_t kParallelWork = 256 * 1024;

}  // namespace

void CombineSum::start(std::span<const float> weights, int num_topk) {
  num_topk_ = num_topk;
  weights_.assign(weights.begin(), weights.end());
  outputs_.assign(weights.size(), nullptr);
}

void CombineSum::add_to(TensorView residual, const Exec& exec) const {
  const int64_t num_tokens = static_cast<int64_t>(outputs_.size()) / num_topk_;
  SHOAL_ASSERT(residual.rows() == num_tokens,
               "{} rows for {} dispatched tokens",
               residual.rows(),
               num_tokens);
  if (num_tokens == 0) return;
  float* const first_row = residual.f32();
  const int64_t hidden_size = residual.cols();
  const auto body = [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token)
      weighted_sum_({.outputs = outputs_.data() + token * num_topk_,
                     .weights = weights_.data() + token * num_topk_,
                     .num_topk = num_topk_,
                     .residual = first_row + token * hidden_size,
                     .hidden_size = hidden_size});
  };
  if (exec.pool != nullptr && num_tokens * num_topk_ * hidden_size >= kParallelWork)
    exec.pool->parallel_for(num_tokens, 4, body);
  else
    body(0, num_tokens);
}

}  // namespace shoal::transport
