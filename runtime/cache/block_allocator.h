// KV blocks of one home group: `num_blocks` of ShardPlan, ids equal on every stage. A block has
// users (sequences whose table holds it) and keepers (checkpoints of the prefix cache that need
// it); it is free when it has neither. Blocks with more than one of them are full and never
// written again. One thread.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/cache/id_pool.h"

namespace shoal::cache {

class BlockAllocator {
 public:
  BlockAllocator(int num_blocks, int block_size);

  // `count` free blocks with one user each, or nothing (and no change) when fewer are free.
  std::optional<std::vector<int32_t>> allocate(int count);
  // One more user of blocks that have a user or a keeper.
  void share(std::span<const int32_t> ids);
  // One user less.
  void release(std::span<const int32_t> ids);
  // One keeper more, one keeper less.
  void keep(std::span<const int32_t> ids);
  void unkeep(std::span<const int32_t> ids);

  int size() const { return free_.size(); }
  int block_size() const { return block_size_; }
  int num_free() const { return free_.num_free(); }
  int num_used() const { return size() - num_free() - num_reclaimable_; }  // with a user
  int num_kept() const { return num_kept_; }                               // with a keeper
  int num_reclaimable() const { return num_reclaimable_; }  // with keepers and without users
  int count_reclaimable(std::span<const int32_t> ids) const;
  // Of the ids: those with one user, which are free or reclaimable once it releases them.
  int count_single(std::span<const int32_t> ids) const;
  // Nobody but one keeper has it.
  bool last_keeper(int32_t id) const { return uses_[index(id)].keepers == 1 && !used(id); }
  // Blocks that a sequence of `num_tokens` fills: 33 tokens of 32 a block are 2.
  int blocks_for(int64_t num_tokens) const {
    return static_cast<int>((num_tokens + block_size_ - 1) / block_size_);
  }

 private:
  struct Uses {
    int users = 0, keepers = 0;
  };
  size_t index(int32_t id) const { return static_cast<size_t>(id); }
  bool used(int32_t id) const { return uses_[index(id)].users > 0; }
  Uses& in_use(int32_t id);  // asserts that it is not free

  IdPool free_;
  int block_size_;
  std::vector<Uses> uses_;  // by id
  int num_kept_ = 0, num_reclaimable_ = 0;
};

}  // namespace shoal::cache
