// One GGUF file (a whole model or one shard of a split one): bytes -> checked header. A pure
// function; the file's bytes are usually a mapping, of which only the header's pages are read,
// plus the few bytes behind the last tensor. Versions 2 and 3, little-endian.
//
// What is guaranteed afterwards: keys and names are unique, every value and tensor lies inside the
// file, no size overflows. Whether the tensors make a model is parse_model_config()'s question.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "loader/format/metadata.h"
#include "loader/format/tensor_directory.h"

namespace shoal::loader {

struct ShardHeader {
  ShardFile file;
  uint32_t version = 0;
  uint64_t alignment = 32;
  Metadata metadata;
  std::vector<TensorInfo> tensors;  // shard = 0; join_shards() numbers them
};

// `path` is used in messages only. Throws ModelFileError; never crashes, loops, or takes more
// memory than a small multiple of the header's own bytes.
ShardHeader parse_shard(std::span<const std::byte> file_bytes, const std::string& path);

}  // namespace shoal::loader
