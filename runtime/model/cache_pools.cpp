#include "runtime/model/cache_pools.h"

#include <xxhash.h>

#include "runtime/base/check.h"

namespace shoal::model {

CachePools::CachePools(const loader::ModelConfig& config,
                       const sharding::ShardPlan& plan,
                       int first_layer,
                       int last_layer,
                       const device::Queue& queue)
    : num_slots_(plan.num_slots),
      num_states_(plan.num_slots + plan.num_checkpoints),
      block_size_(plan.block_size),
      num_kv_heads_(config.num_kv_heads),
      head_dim_(config.head_dim),
      conv_floats_((config.conv_kernel - 1) * config.conv_dim()),
      state_floats_(int64_t{config.num_v_heads} * config.state_dim * config.state_dim),
      queue_(queue) {
  const auto slots = static_cast<size_t>(num_states_);
  const size_t kv_floats = static_cast<size_t>(plan.num_blocks) *
                           static_cast<size_t>(num_kv_heads_) * static_cast<size_t>(block_size_) *
                           static_cast<size_t>(head_dim_);
  for (int layer = first_layer; layer < last_layer; ++layer) {
    if (config.layers[static_cast<size_t>(layer)] == loader::LayerKind::kAttention) {
      kernels::KvCache cache;
      cache.k = take(kv_floats);
      cache.v = take(kv_floats);
      cache.block_size = block_size_;
      kv_.push_back(cache);
    } else {
      DeltaState state;
      state.conv = take(slots * static_cast<size_t>(conv_floats_));
      state.state = take(slots * static_cast<size_t>(state_floats_));
      delta_.push_back(state);
    }
  }
}

float* CachePools::take(size_t floats) {
  return memory_.emplace_back(device::compute_memory(queue_.backend()), floats * sizeof(float))
      .as<float>();
}

void CachePools::clear_slot(int slot) {
  for (const DeltaState& layer : delta_) {
    queue_.fill_zero(layer.conv + slot * conv_floats_,
                     static_cast<size_t>(conv_floats_) * sizeof(float));
    queue_.fill_zero(layer.state + slot * state_floats_,
                     static_cast<size_t>(state_floats_) * sizeof(float));
  }
}

void CachePools::copy_slot(int from, int to) {
  SHOAL_ASSERT(from >= 0 && from < num_states_ && to >= 0 && to < num_states_,
               "state {} to state {} of {}",
               from,
               to,
               num_states_);
  for (const DeltaState& layer : delta_) {
    queue_.copy(layer.conv + to * conv_floats_,
                layer.conv + from * conv_floats_,
                static_cast<size_t>(conv_floats_) * sizeof(float));
    queue_.copy(layer.state + to * state_floats_,
                layer.state + from * state_floats_,
                static_cast<size_t>(state_floats_) * sizeof(float));
  }
}

uint64_t CachePools::hash_sequence(std::span<const int32_t> blocks,
                                   int64_t num_tokens,
                                   int slot) const {
  XXH3_state_t* hash = XXH3_createState();
  XXH3_64bits_reset(hash);
  std::vector<float> row;
  const auto add = [&](const float* floats, int64_t count) {
    row.resize(static_cast<size_t>(count));
    queue_.copy(row.data(), floats, row.size() * sizeof(float));
    queue_.wait(Deadline::never());
    XXH3_64bits_update(hash, row.data(), row.size() * sizeof(float));
  };
  for (const kernels::KvCache& layer : kv_)
    for (int64_t position = 0; position < num_tokens; ++position)
      for (int head = 0; head < num_kv_heads_; ++head) {
        const int64_t block = blocks[static_cast<size_t>(position / block_size_)];
        const int64_t at =
            ((block * num_kv_heads_ + head) * block_size_ + position % block_size_) * head_dim_;
        add(layer.k + at, head_dim_);
        add(layer.v + at, head_dim_);
      }
  for (const DeltaState& layer : delta_) {
    add(layer.conv + slot * conv_floats_, conv_floats_);
    add(layer.state + slot * state_floats_, state_floats_);
  }
  const uint64_t digest = XXH3_64bits_digest(hash);
  XXH3_freeState(hash);
  return digest;
}

}  // namespace shoal::model
