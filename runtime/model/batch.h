// One rank's tokens of one step, as tensors. Tokens of a sequence are adjacent and in order;
// sequence s owns rows sequence_starts[s] .. sequence_starts[s + 1].
#pragma once
#include <vector>

#include "kernels/ops/attention.h"
#include "runtime/base/tensor_view.h"

namespace shoal::model {

// The paged KV cache: one KvCache per attention layer of the stage, one table for all of them.
struct KvView {
  const std::vector<kernels::KvCache>* layers = nullptr;
  const int32_t* block_tables = nullptr;  // [num_sequences, block_table_stride]
  int block_table_stride = 0;
};

// Recurrent state: one pair of pools per DeltaNet layer of the stage.
struct DeltaState {
  float* conv = nullptr;   // [num_slots, conv_kernel - 1, conv_dim]
  float* state = nullptr;  // [num_slots, num_v_heads, state_dim, state_dim]
};
struct StateView {
  const std::vector<DeltaState>* layers = nullptr;
  TensorView slots;  // [num_sequences] i32
};

struct Batch {
  int num_tokens = 0;
  int num_sequences = 0;
  int token_capacity = 0;      // most tokens any rank of the stage holds in this step
  TensorView token_ids;        // [num_tokens] i32; first stage only
  TensorView positions;        // [num_tokens] i32
  TensorView sequence_starts;  // [num_sequences + 1] i32
  KvView kv;
  StateView state;
};

}  // namespace shoal::model
