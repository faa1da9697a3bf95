// What a set of GGUF shards holds: every tensor with its type, shape, shard and byte range, plus
// the model's configuration and vocabulary. Plain values, already checked: offsets lie inside
// their shard, sizes match shapes, names are unique across shards.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/dtype.h"

namespace shoal::loader {

// ne is GGUF's order: ne[0] is the contiguous (input) dimension. y = W x with W of ne = {in, out}.
// Experts are {in, out, num_experts}.
struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::array<int64_t, 4> ne = {1, 1, 1, 1};
  int shard = 0;        // 0-based, split.no
  uint64_t offset = 0;  // from the start of the shard's FILE
  uint64_t bytes = 0;
  uint64_t header_byte = 0;  // where the shard's header describes it: the place error texts name

  int64_t elements() const { return ne[0] * ne[1] * ne[2] * ne[3]; }
  // The outermost dimension that may be cut: experts of a 3-D tensor, rows of a 2-D one.
  int64_t outer() const { return ne[2] > 1 ? ne[2] : ne[1]; }
};

struct ByteRange {
  int shard = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool operator==(const ByteRange&) const = default;
};

// The bytes of outer indices [begin, end): whole rows or whole experts; ne[0] is never cut.
ByteRange outer_range(const TensorInfo& tensor, int64_t begin, int64_t end);

struct ShardFile {
  std::string path;
  uint64_t bytes = 0;        // size of the file
  uint64_t data_offset = 0;  // where tensor data starts; equals bytes when there is none
  uint64_t header_hash = 0;  // of everything before the padding: ranks compare it at the handshake
};

class TensorDirectory {
 public:
  TensorDirectory() = default;
  // Throws ModelFileError for a duplicate name.
  TensorDirectory(std::vector<ShardFile> shards, std::vector<TensorInfo> tensors);

  const std::vector<ShardFile>& shards() const { return shards_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  int find(std::string_view name) const;              // index, or -1
  const TensorInfo& at(std::string_view name) const;  // throws ModelFileError "tensor ... missing"
  uint64_t total_bytes() const;
  uint64_t fingerprint() const;  // over all header hashes and sizes

 private:
  std::vector<ShardFile> shards_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, int> by_name_;
};

}  // namespace shoal::loader
