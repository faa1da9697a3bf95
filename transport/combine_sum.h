// The owner's side of combine: for every token, its expert outputs from wherever they lie, added in
// the router's order (weighted_sum.h), tokens in parallel.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/exec.h"
#include "runtime/base/tensor_view.h"
#include "transport/weighted_sum.h"

namespace shoal::transport {

class CombineSum {
 public:
  CombineSum() : weighted_sum_(select_weighted_sum()) {}

  // Keeps the weights: [num_tokens, num_topk].
  void start(std::span<const float> weights, int num_topk);

  // Where the output of (token, k) lies, [hidden]; index token * num_topk + k. All must be set.
  std::span<const float*> outputs() { return outputs_; }

  // residual: [num_tokens, hidden].
  void add_to(TensorView residual, const Exec& exec) const;

 private:
  void (*weighted_sum_)(const WeightedSumParams&);
  int num_topk_ = 0;
  std::vector<float> weights_;
  std::vector<const float*> outputs_;
};

}  // namespace shoal::transport
