// Rows of tokens brought to the experts of one rank without the host knowing the routing: what a
// backend with memory of its own uses, so that a step needs no word from the device. Every array
// lies where the backend computes.
//
// A pair is (token, k), k in the router's order; pair index = token * num_topk + k. Pairs are
// sorted by expert, rising pair inside an expert; a pair's place in that order is its slot.
#pragma once
#include <cstdint>

#include "runtime/base/tensor_view.h"

namespace shoal::kernels {

// An expert that has rows.
struct ActiveRows {
  int32_t expert = 0;
  int32_t first_slot = 0;
  int32_t num_rows = 0;
  int32_t unused = 0;  // to 16 bytes, one load
  bool operator==(const ActiveRows&) const = default;
};

struct RowGroups {
  int num_experts = 0;
  int num_topk = 0;
  int64_t num_pairs = 0;            // tokens * num_topk
  int32_t* starts = nullptr;        // [num_experts + 1] first slot of each expert
  int32_t* row_of_slot = nullptr;   // [num_pairs] token
  int32_t* slot_of_pair = nullptr;  // [num_pairs]
  // [num_experts] in rising order of experts; places past their number have no rows. 16-byte
  // aligned.
  ActiveRows* active = nullptr;
};

// Fills every array of `groups`.
struct GroupRowsParams {
  TensorView topk_ids;  // [tokens, num_topk] i32, each inside [0, num_experts)
  RowGroups groups;
};

// Per token t, in this order:
//   residual = fma(sigmoid(shared_gate[t]), shared, residual)
//   sum = 0; sum = fma(topk_weights[t][k], expert_out[slot of (t, k)], sum), k rising
//   residual = residual + sum
struct CombineRowsParams {
  TensorView expert_out;    // [num_pairs, hidden] f32 by slot, unweighted
  TensorView topk_weights;  // [tokens, num_topk] f32
  const int32_t* slot_of_pair = nullptr;
  TensorView shared;                   // [tokens, hidden] f32; data null: none
  const float* shared_gate = nullptr;  // [tokens] logits
  TensorView residual;                 // [tokens, hidden] f32, in place
};

}  // namespace shoal::kernels
