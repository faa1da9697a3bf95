#include "sharding/memory_estimate.h"

#include <algorithm>

namespace shoal::sharding {
namespace {

using loader::LayerKind;

uint64_t count_layers(const loader::ModelConfig& config, LayerRange layers, LayerKind kind) {
  return static_cast<uint64_t>(
      std::count(config.layers.begin() + layers.begin, config.layers.begin() + layers.end, kind));
}

}  // namespace

uint64_t kv_block_bytes(const loader::ModelConfig& config, LayerRange layers, int block_size) {
  const uint64_t row = static_cast<uint64_t>(config.num_kv_heads) * config.head_dim;
  return count_layers(config, layers, LayerKind::kAttention) * 2 * row * sizeof(float) *
         static_cast<uint64_t>(block_size);
}

uint64_t state_slot_bytes(const loader::ModelConfig& config, LayerRange layers) {
  const uint64_t dim = static_cast<uint64_t>(config.state_dim);
  const uint64_t state = static_cast<uint64_t>(config.num_v_heads) * dim * dim;
  const uint64_t window =
      static_cast<uint64_t>(config.conv_dim()) * (std::max(config.conv_kernel, 1) - 1);
  return count_layers(config, layers, LayerKind::kDeltaNet) * (state + window) * sizeof(float);
}

uint64_t scratch_bytes(const loader::ModelConfig& config, const ScratchShape& shape) {
  const auto hidden = static_cast<uint64_t>(config.hidden_size);
  const auto tokens = static_cast<uint64_t>(shape.max_batch_tokens);
  // Query and its output gate, keys, values, attention's output.
  const uint64_t attention =
      static_cast<uint64_t>(config.head_dim) * (3 * config.num_heads + 2 * config.num_kv_heads);
  // Convolution in and out, z, output.
  const auto delta = static_cast<uint64_t>(2 * config.conv_dim() + 2 * config.value_dim());
  const uint64_t shared = 3 * static_cast<uint64_t>(config.shared_intermediate_size);
  // The residual stream, its normed copy, quantised copies of it, router logits and choices.
  const uint64_t steady = 5 * hidden + static_cast<uint64_t>(config.num_experts) +
                          2 * static_cast<uint64_t>(config.num_topk);
  const uint64_t dense = tokens * (steady + std::max({attention, delta, shared})) * sizeof(float);

  // A received row, its copy per local expert, the expert's inner row and its output.
  const uint64_t received = tokens * static_cast<uint64_t>(shape.ep);
  const auto copies =
      static_cast<uint64_t>(std::min(config.num_topk, std::max(shape.num_local_experts, 0)));
  const uint64_t inner = 3 * static_cast<uint64_t>(config.moe_intermediate_size);
  const uint64_t expert = received * (hidden + copies * (2 * hidden + inner)) * sizeof(float);

  const uint64_t logits = shape.last_stage
                              ? static_cast<uint64_t>(shape.max_sequences) *
                                    static_cast<uint64_t>(config.vocab_size) * sizeof(float)
                              : 0;
  return dense + expert + logits;
}

uint64_t exchange_bytes(const loader::ModelConfig& config, int ep, int max_batch_tokens) {
  const uint64_t row = static_cast<uint64_t>(config.hidden_size) * sizeof(float);
  return 4 * static_cast<uint64_t>(ep - 1) * static_cast<uint64_t>(max_batch_tokens) * row;
}

}  // namespace shoal::sharding
