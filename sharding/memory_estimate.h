// What a rank needs besides weights, in bytes, from dimensions alone.
#pragma once
#include <cstdint>

#include "loader/format/model_config.h"
#include "runtime/base/backend.h"

namespace shoal::sharding {

// The layers [begin, end) of one stage.
struct LayerRange {
  int begin = 0, end = 0;
};

// One KV block: keys and values of `block_size` tokens on every attention layer of the range, f32.
uint64_t kv_block_bytes(const loader::ModelConfig& config, LayerRange layers, int block_size);

// One sequence's recurrent state: per DeltaNet layer of the range, f32 S [num_v_heads, state_dim,
// state_dim] and the last conv_kernel - 1 inputs of the convolution [conv_dim].
uint64_t state_slot_bytes(const loader::ModelConfig& config, LayerRange layers);

struct ScratchShape {
  Backend backend = Backend::kCpu;
  int ep = 1;  // width of the stage
  int num_local_experts = 0;
  int max_batch_tokens = 0;  // on one rank
  int max_sequences = 0;
  bool last_stage = false;  // holds logits
};
// Activations of the largest step, as runtime/model/scratch.h and the engine take them once: this
// rank's tokens through the widest layer, rows of local experts when every token of every rank
// picks them, and logits. Its twin is tests/unit/engine/scratch_bytes_test.cpp.
uint64_t scratch_bytes(const loader::ModelConfig& config, const ScratchShape& shape);

// Messages of one exchange that a rank holds at once: rows out and in, results out and in, f32 at
// the worst, for every other rank of its stage. 0 for a stage of one.
uint64_t exchange_bytes(const loader::ModelConfig& config, int ep, int max_batch_tokens);

}  // namespace shoal::sharding
