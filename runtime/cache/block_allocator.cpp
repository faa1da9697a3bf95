#include "runtime/cache/block_allocator.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace shoal::cache {

BlockAllocator::BlockAllocator(int num_blocks, int block_size)
    : free_(num_blocks), block_size_(block_size), uses_(static_cast<size_t>(num_blocks)) {}

BlockAllocator::Uses& BlockAllocator::in_use(int32_t id) {
  SHOAL_ASSERT(id >= 0 && id < size(), "block {} of a pool of {}", id, size());
  Uses& uses = uses_[index(id)];
  SHOAL_ASSERT(uses.users + uses.keepers > 0, "block {} is free", id);
  return uses;
}

int BlockAllocator::count_reclaimable(std::span<const int32_t> ids) const {
  return static_cast<int>(std::count_if(ids.begin(), ids.end(), [this](int32_t id) {
    return !used(id) && uses_[index(id)].keepers > 0;
  }));
}

int BlockAllocator::count_single(std::span<const int32_t> ids) const {
  return static_cast<int>(std::count_if(
      ids.begin(), ids.end(), [this](int32_t id) { return uses_[index(id)].users == 1; }));
}

std::optional<std::vector<int32_t>> BlockAllocator::allocate(int count) {
  auto ids = free_.allocate(count);
  if (ids)
    for (const int32_t id : *ids) uses_[index(id)].users = 1;
  return ids;
}

void BlockAllocator::share(std::span<const int32_t> ids) {
  for (const int32_t id : ids)
    if (in_use(id).users++ == 0) --num_reclaimable_;
}

void BlockAllocator::release(std::span<const int32_t> ids) {
  for (const int32_t id : ids) {
    Uses& uses = in_use(id);
    SHOAL_ASSERT(uses.users > 0, "block {} has no user", id);
    if (--uses.users > 0) continue;
    if (uses.keepers > 0)
      ++num_reclaimable_;
    else
      free_.release({&id, 1});
  }
}

void BlockAllocator::keep(std::span<const int32_t> ids) {
  for (const int32_t id : ids) {
    Uses& uses = in_use(id);
    SHOAL_ASSERT(uses.keepers > 0 || uses.users > 0, "block {}", id);
    if (uses.keepers++ == 0) ++num_kept_;
  }
}

void BlockAllocator::unkeep(std::span<const int32_t> ids) {
  for (const int32_t id : ids) {
    Uses& uses = in_use(id);
    SHOAL_ASSERT(uses.keepers > 0, "block {} has no keeper", id);
    if (--uses.keepers > 0) continue;
    --num_kept_;
    if (uses.users > 0) continue;
    --num_reclaimable_;
    free_.release({&id, 1});
  }
}

}  // namespace shoal::cache
