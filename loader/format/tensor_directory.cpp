#include "loader/format/tensor_directory.h"

#include <fmt/format.h>

#include "loader/format/bad_file.h"
#include "loader/format/header_hash.h"
#include "runtime/base/check.h"

namespace shoal::loader {

ByteRange outer_range(const TensorInfo& tensor, int64_t begin, int64_t end) {
  SHOAL_ASSERT(tensor.ne[3] == 1, "{} dimensions 4", tensor.name);
  SHOAL_ASSERT(0 <= begin && begin <= end && end <= tensor.outer(),
               "{}..{} of {} in {}",
               begin,
               end,
               tensor.outer(),
               tensor.name);
  const int64_t rows_each = tensor.ne[2] > 1 ? tensor.ne[1] : 1;
  const auto slab = static_cast<uint64_t>(rows_each * row_bytes(tensor.dtype, tensor.ne[0]));
  return {tensor.shard,
          tensor.offset + static_cast<uint64_t>(begin) * slab,
          static_cast<uint64_t>(end - begin) * slab};
}

TensorDirectory::TensorDirectory(std::vector<ShardFile> shards, std::vector<TensorInfo> tensors)
    : shards_(std::move(shards)), tensors_(std::move(tensors)) {
  by_name_.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TensorInfo& tensor = tensors_[i];
    SHOAL_ASSERT(tensor.shard >= 0 && static_cast<size_t>(tensor.shard) < shards_.size(),
                 "shard {} of {}",
                 tensor.shard,
                 shards_.size());
    const auto [earlier, is_first] = by_name_.emplace(tensor.name, static_cast<int>(i));
    if (!is_first)
      refuse(56,
             {shards_[tensor.shard].path, tensor.header_byte},
             fmt::format("tensor {} is in shard {} and shard {}",
                         quoted(tensor.name),
                         tensors_[earlier->second].shard + 1,
                         tensor.shard + 1));
  }
}

int TensorDirectory::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? -1 : found->second;
}

const TensorInfo& TensorDirectory::at(std::string_view name) const {
  const int index = find(name);
  if (index < 0)
    refuse(74,
           {shards_.empty() ? std::string_view() : std::string_view(shards_[0].path)},
           fmt::format("tensor {} is missing", quoted(name)));
  return tensors_[index];
}

uint64_t TensorDirectory::total_bytes() const {
  uint64_t total = 0;
  for (const TensorInfo& tensor : tensors_) total += tensor.bytes;
  return total;
}

uint64_t TensorDirectory::fingerprint() const {
  uint64_t hash = kHashStart;
  for (const ShardFile& shard : shards_) {
    hash = hash_value(hash, shard.bytes);
    hash = hash_value(hash, shard.header_hash);
  }
  return hash;
}

}  // namespace shoal::loader
