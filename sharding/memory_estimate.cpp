#include "sharding/memory_estimate.h"

#include <algorithm>

namespace shoal::sharding {
namespace {

using loader::LayerKind;

uint64_t count_layers(const loader::ModelConfig& config, LayerRange layers, LayerKind kind) {
  return static_cast<uint64_t>(
      std::count(config.layers.begin() + layers.begin, config.layers.begin() + layers.end, kind));
}

// A device's attention works on a sequence's splits at once in this much.
constexpr uint64_t kSplitsBytes = 128u << 20;
// Logits that are scored at once.
constexpr uint64_t kScoredRows = 32;

// Scales and sums beside a quantised row.
uint64_t scales_of(uint64_t width) { return width / 32 * 2 * sizeof(float); }

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
  const auto queries = static_cast<uint64_t>(config.num_heads) * config.head_dim;
  const auto keys = static_cast<uint64_t>(config.num_kv_heads) * config.head_dim;
  const auto value = static_cast<uint64_t>(config.value_dim());
  const auto conv = static_cast<uint64_t>(config.conv_dim());
  const auto shared = static_cast<uint64_t>(config.shared_intermediate_size);
  const uint64_t inner = std::max({queries, value, shared});
  const uint64_t floats = std::max(2 * queries, conv) + conv + value + 2 * keys +
                          2 * static_cast<uint64_t>(config.num_v_heads) + 2 * hidden +
                          static_cast<uint64_t>(config.num_experts) +
                          2 * static_cast<uint64_t>(config.num_topk) + 2 * shared + 1;
  // A block's input as f32, int16 and int8, its last matrix's as f32 and int16.
  const uint64_t rows =
      hidden * (4 + 2 + 1) + 2 * scales_of(hidden) + inner * (4 + 2) + scales_of(inner);
  const uint64_t dense = tokens * (floats * sizeof(float) + rows);

  const auto copies =
      static_cast<uint64_t>(std::min(config.num_topk, std::max(shape.num_local_experts, 0)));
  const uint64_t expert_rows = tokens * static_cast<uint64_t>(shape.ep) * copies;
  const auto width = static_cast<uint64_t>(config.moe_intermediate_size);
  uint64_t workspace = expert_rows * (width * (4 + 2) + scales_of(width) + 2 * sizeof(float));
  if (shape.backend == Backend::kCuda) workspace = std::max(workspace, kSplitsBytes);
  // Outputs, and where rows come from other ranks, those grouped by expert.
  const uint64_t experts =
      expert_rows * hidden * sizeof(float) * (shape.ep > 1 ? 2 : 1) + workspace;

  const auto logits = std::max(std::min(static_cast<uint64_t>(shape.max_sequences), tokens),
                               std::min(kScoredRows, tokens));
  return dense + experts +
         (shape.last_stage ? logits * static_cast<uint64_t>(config.vocab_size) * sizeof(float) : 0);
}

uint64_t exchange_bytes(const loader::ModelConfig& config, int ep, int max_batch_tokens) {
  const uint64_t row = static_cast<uint64_t>(config.hidden_size) * sizeof(float);
  return 4 * static_cast<uint64_t>(ep - 1) * static_cast<uint64_t>(max_batch_tokens) * row;
}

}  // namespace shoal::sharding
