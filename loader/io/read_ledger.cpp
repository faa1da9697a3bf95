#include "loader/io/read_ledger.h"

#include <numeric>

#include "runtime/base/check.h"

namespace shoal::loader {

bool ReadLedger::record(const ByteRange& range, TensorClass tensor_class) {
  if (range.bytes == 0) return false;
  const auto next = ranges_.lower_bound({range.shard, range.offset});
  if (next != ranges_.end() && next->first.first == range.shard) {
    const auto& [start, bytes] = *next;
    if (start.second == range.offset && bytes == range.bytes) return false;
    SHOAL_ASSERT(start.second >= range.offset + range.bytes,
                 "{}+{} overlaps {}+{}",
                 range.offset,
                 range.bytes,
                 start.second,
                 bytes);
  }
  if (next != ranges_.begin()) {
    const auto& [start, bytes] = *std::prev(next);
    SHOAL_ASSERT(start.first != range.shard || start.second + bytes <= range.offset,
                 "{}+{} overlaps {}+{}",
                 range.offset,
                 range.bytes,
                 start.second,
                 bytes);
  }
  ranges_.emplace_hint(next, std::pair{range.shard, range.offset}, range.bytes);
  bytes_[static_cast<size_t>(tensor_class)] += range.bytes;
  return true;
}

uint64_t ReadLedger::bytes(TensorClass tensor_class) const {
  return bytes_[static_cast<size_t>(tensor_class)];
}

uint64_t ReadLedger::total_bytes() const {
  return std::accumulate(bytes_.begin(), bytes_.end(), uint64_t{0});
}

}  // namespace shoal::loader
