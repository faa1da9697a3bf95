// KV blocks of one home group: `num_blocks` of ShardPlan, ids equal on every stage.
#pragma once
#include "runtime/cache/id_pool.h"

namespace shoal::cache {

class BlockAllocator : public IdPool {
 public:
  BlockAllocator(int num_blocks, int block_size) : IdPool(num_blocks), block_size_(block_size) {}

  int block_size() const { return block_size_; }
  // Blocks that a sequence of `num_tokens` fills: 33 tokens of 32 a block are 2.
  int blocks_for(int64_t num_tokens) const {
    return static_cast<int>((num_tokens + block_size_ - 1) / block_size_);
  }

 private:
  int block_size_;
};

}  // namespace shoal::cache
