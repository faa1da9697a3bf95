// The memory of one rank's KV blocks and recurrent-state slots, where its kernels compute. On the
// host pages are taken on first touch, so an unused pool costs address space only. Ids come from
// the plans; who owns which is accounted on the coordinator (runtime/cache).
#pragma once
#include <cstdint>
#include <vector>

#include "loader/format/model_config.h"
#include "runtime/device/memory.h"
#include "runtime/device/queue.h"
#include "runtime/model/batch.h"
#include "sharding/shard_plan.h"

namespace shoal::model {

class CachePools {
 public:
  // Pools for the layers [first_layer, last_layer) of one stage. `queue` carries the steps that
  // read and write them, and outlives the pools.
  CachePools(const loader::ModelConfig& config,
             const sharding::ShardPlan& plan,
             int first_layer,
             int last_layer,
             const device::Queue& queue);

  const std::vector<kernels::KvCache>& kv_layers() const { return kv_; }
  const std::vector<DeltaState>& delta_layers() const { return delta_; }

  void clear_slot(int slot);  // in the queue: a new sequence starts from zero state
  // In the queue: the state of all layers, to and from one of ShardPlan::num_checkpoints.
  void save_checkpoint(int slot, int checkpoint) { copy_slot(slot, num_slots_ + checkpoint); }
  void load_checkpoint(int checkpoint, int slot) { copy_slot(num_slots_ + checkpoint, slot); }

  // XXH3 over a sequence's KV rows and state: equal histories give equal hashes. Waits for the
  // queue.
  uint64_t hash_sequence(std::span<const int32_t> blocks, int64_t num_tokens, int slot) const;

 private:
  void copy_slot(int from, int to);

  int num_slots_ = 0;   // checkpoints are the slots behind them
  int num_states_ = 0;  // both
  int block_size_ = 0, num_kv_heads_ = 0, head_dim_ = 0;
  int64_t conv_floats_ = 0, state_floats_ = 0;  // of one slot
  float* take(size_t floats);

  const device::Queue& queue_;
  std::vector<device::Memory> memory_;
  std::vector<kernels::KvCache> kv_;
  std::vector<DeltaState> delta_;
};

}  // namespace shoal::model
