#include "runtime/model/cache_pools.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace shoal::model {

CachePools::CachePools(const loader::ModelConfig& config,
                       const sharding::ShardPlan& plan,
                       int first_layer,
                       int last_layer)
    : block_size_(plan.block_size),
      num_kv_heads_(config.num_kv_heads),
      head_dim_(config.head_dim),
      conv_floats_((config.conv_kernel - 1) * config.conv_dim()),
      state_floats_(int64_t{config.num_v_heads} * config.state_dim * config.state_dim) {
  const auto blocks = static_cast<size_t>(plan.num_blocks);
  const auto slots = static_cast<size_t>(plan.num_slots);
  const size_t kv_bytes = blocks * static_cast<size_t>(num_kv_heads_) *
                          static_cast<size_t>(block_size_) * static_cast<size_t>(head_dim_) *
                          sizeof(float);
  for (int layer = first_layer; layer < last_layer; ++layer) {
    if (config.layers[static_cast<size_t>(layer)] == loader::LayerKind::kAttention) {
      kernels::KvCache cache;
      cache.k = memory_.emplace_back(kv_bytes).floats();
      cache.v = memory_.emplace_back(kv_bytes).floats();
      cache.block_size = block_size_;
      kv_.push_back(cache);
    } else {
      DeltaState state;
      state.conv =
          memory_.emplace_back(slots * static_cast<size_t>(conv_floats_) * sizeof(float)).floats();
      state.state =
          memory_.emplace_back(slots * static_cast<size_t>(state_floats_) * sizeof(float)).floats();
      delta_.push_back(state);
    }
  }
}

void CachePools::clear_slot(int slot) {
  for (const DeltaState& layer : delta_) {
    std::fill_n(layer.conv + slot * conv_floats_, conv_floats_, 0.0f);
    std::fill_n(layer.state + slot * state_floats_, state_floats_, 0.0f);
  }
}

uint64_t CachePools::hash_sequence(std::span<const int32_t> blocks,
                                   int64_t num_tokens,
                                   int slot) const {
  XXH3_state_t* hash = XXH3_createState();
  XXH3_64bits_reset(hash);
  const auto row_bytes = static_cast<size_t>(head_dim_) * sizeof(float);
  for (const kernels::KvCache& layer : kv_)
    for (int64_t position = 0; position < num_tokens; ++position)
      for (int head = 0; head < num_kv_heads_; ++head) {
        const int64_t block = blocks[static_cast<size_t>(position / block_size_)];
        const int64_t row =
            ((block * num_kv_heads_ + head) * block_size_ + position % block_size_) * head_dim_;
        XXH3_64bits_update(hash, layer.k + row, row_bytes);
        XXH3_64bits_update(hash, layer.v + row, row_bytes);
      }
  for (const DeltaState& layer : delta_) {
    XXH3_64bits_update(
        hash, layer.conv + slot * conv_floats_, static_cast<size_t>(conv_floats_) * sizeof(float));
    XXH3_64bits_update(hash,
                       layer.state + slot * state_floats_,
                       static_cast<size_t>(state_floats_) * sizeof(float));
  }
  const uint64_t digest = XXH3_64bits_digest(hash);
  XXH3_freeState(hash);
  return digest;
}

}  // namespace shoal::model
