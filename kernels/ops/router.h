// Softmax over all experts in f32, the num_topk largest by probability (ties: lowest id first),
// weights divided by max(their sum, 2^-14). Order of topk = falling probability; it is "the
// router's order" in which combine adds.
#pragma once
#include "runtime/base/tensor_view.h"

namespace shoal::kernels {

struct RouterParams {
  TensorView logits;         // [n, num_experts] f32
  int num_topk;
  TensorView topk_ids;       // out [n, num_topk] i32
  TensorView topk_weights;   // out [n, num_topk] f32
};

}  // namespace shoal::kernels
