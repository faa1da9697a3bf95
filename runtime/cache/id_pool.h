// Accounting of a pool of equal things: KV blocks or recurrent-state slots of one home group.
// Ids are 0..size-1 and say nothing about memory; every rank of the group uses the same ids. The
// same calls in the same order give the same ids. One thread.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace shoal::cache {

class IdPool {
 public:
  explicit IdPool(int size);

  // `count` different free ids, or nothing (and no change) when fewer are free.
  std::optional<std::vector<int32_t>> allocate(int count);
  // Gives ids back. Each must be in use: giving back twice is a bug (assert).
  void release(std::span<const int32_t> ids);

  int size() const { return static_cast<int>(in_use_.size()); }
  int num_free() const { return static_cast<int>(free_.size()); }
  int num_used() const { return size() - num_free(); }

 private:
  std::vector<int32_t> free_;  // the next to give out is last
  std::vector<bool> in_use_;   // by id
};

}  // namespace shoal::cache
