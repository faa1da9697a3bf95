#include "runtime/cache/id_pool.h"

#include <numeric>

#include "runtime/base/check.h"

namespace shoal::cache {

IdPool::IdPool(int size) {
  SHOAL_ASSERT(size >= 0, "a pool of {}", size);
  in_use_.resize(static_cast<size_t>(size), false);
  free_.resize(static_cast<size_t>(size));
  std::iota(free_.rbegin(), free_.rend(), 0);  // 0 goes out first
}

std::optional<std::vector<int32_t>> IdPool::allocate(int count) {
  SHOAL_ASSERT(count >= 0, "allocate {}", count);
  if (count > num_free()) return std::nullopt;
  std::vector<int32_t> ids(free_.rbegin(), free_.rbegin() + count);
  free_.resize(free_.size() - static_cast<size_t>(count));
  for (const int32_t id : ids) in_use_[static_cast<size_t>(id)] = true;
  return ids;
}

void IdPool::release(std::span<const int32_t> ids) {
  for (const int32_t id : ids) {
    SHOAL_ASSERT(id >= 0 && id < size(), "id {} of a pool of {}", id, size());
    SHOAL_ASSERT(in_use_[static_cast<size_t>(id)], "id {} is free already", id);
    in_use_[static_cast<size_t>(id)] = false;
    free_.push_back(id);
  }
}

}  // namespace shoal::cache
