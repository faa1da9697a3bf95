#include "loader/io/file_identity.h"

#include <xxhash.h>

#include <algorithm>
#include <array>

namespace shoal::loader {
namespace {

constexpr size_t kSamples = 16;
constexpr uint64_t kSampleBytes = 4096;

uint64_t sample(const MappedFile& file, const std::vector<const TensorInfo*>& tensors) {
  uint64_t hash = 0;
  const size_t count = std::min(tensors.size(), kSamples);
  std::array<std::byte, kSampleBytes> bytes;
  for (size_t i = 0; i < count; ++i) {
    const TensorInfo& tensor = *tensors[i * tensors.size() / count];
    const std::span part(bytes.data(), std::min(tensor.bytes, kSampleBytes));
    file.read_into(tensor.offset, part);
    hash = XXH3_64bits_withSeed(part.data(), part.size(), hash);
  }
  return hash;
}

}  // namespace

std::vector<FileIdentity> identify(const ModelFiles& files) {
  std::vector<std::vector<const TensorInfo*>> tensors(files.files.size());
  if (!files.files.empty())
    for (const TensorInfo& tensor : files.directory.tensors())
      tensors[static_cast<size_t>(tensor.shard)].push_back(&tensor);
  std::vector<FileIdentity> out;
  for (size_t i = 0; i < files.directory.shards().size(); ++i) {
    const ShardFile& shard = files.directory.shards()[i];
    FileIdentity identity{.bytes = shard.bytes, .header_hash = shard.header_hash};
    if (i < files.files.size()) identity.sample_hash = sample(files.files[i], tensors[i]);
    out.push_back(identity);
  }
  return out;
}

}  // namespace shoal::loader
