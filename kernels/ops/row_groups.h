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
  int64_t likely_pairs = 0;         // about how many have an expert here; 0: all
  int32_t* starts = nullptr;        // [num_experts + 1] first slot of each expert
  int32_t* row_of_slot = nullptr;   // [num_pairs] token
  int32_t* slot_of_pair = nullptr;  // [num_pairs]
  // [num_experts] in rising order of experts; places past their number have no rows. 16-byte
  // aligned.
  ActiveRows* active = nullptr;
};

// Fills every array of `groups`. A pair whose id is negative belongs to no expert: its slot_of_pair
// is -1, and the slots at the end stay unused.
struct GroupRowsParams {
  TensorView topk_ids;  // [tokens, num_topk] i32, each below num_experts
  RowGroups groups;
};

// What an id stands for to one reader:
//   output[token][k] = id < 0 ? -1 : table[token / rows_per_table][id]
// Rows of output beyond those of ids are -1: ranks send equally many rows, whatever they hold.
struct MapIdsParams {
  TensorView ids;                  // [tokens, num_topk] i32
  const int32_t* table = nullptr;  // [tables, num_ids]; null: the id itself
  int num_ids = 0;
  int64_t rows_per_table = 1;
  TensorView output;  // [at least tokens, num_topk] i32
};

// slot_of_pair of `groups` becomes a place in groups of equal size:
//   id < 0 ? -1 : id * capacity + slot - starts[id]
// The capacity is at least the size of the largest group.
struct PlacePairsParams {
  TensorView ids;  // [tokens, num_topk] i32: the group of each pair
  RowGroups groups;
  int64_t capacity = 0;
};

// output[to[p]] = input[from[p]] for each pair p whose `to` is not negative.
struct MoveRowsParams {
  TensorView input;  // [m, cols] f32
  const int32_t* from = nullptr;
  const int32_t* to = nullptr;  // [num_pairs], all different where not negative
  int64_t num_pairs = 0;
  TensorView output;  // [n, cols] f32
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
