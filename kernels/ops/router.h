// Softmax over all experts in f32, the num_topk largest by probability (ties: lowest id first),
// weights divided by max(their sum, 2^-14). Order of topk = falling probability; it is "the
// router's order" in which combine adds.
//   e_i = exp_f32(logit_i - max),  p_i = e_i / sum of e (lanes and tree of kernels/lanes.h, plain
//   additions),  weight = p_i / max(sum of the chosen p in topk order, 2^-14)
// A row with a NaN gets the ids 0, 1, 2, ... and NaN weights: ids are always valid and distinct.
#pragma once
#include <span>

#include "kernels/ops/matmul.h"
#include "kernels/ops/row_groups.h"

namespace shoal::kernels {

inline constexpr int kMaxExperts = 1024;
inline constexpr float kMinTopkSum = 0x1p-14f;

struct RouterParams {
  TensorView logits;        // [n, num_experts] f32
  int num_topk;             // 1 to num_experts
  TensorView topk_ids;      // out [n, num_topk] i32
  TensorView topk_weights;  // out [n, num_topk] f32
  // Filled too where given, as group_rows does with topk_ids.
  const RowGroups* groups = nullptr;
  // Weights that will be read soon after the experts', if any: a backend may bring them nearer.
  std::span<const WeightView> ahead;
};

}  // namespace shoal::kernels
