// A rank's only way to weight bytes. Hands out views of exactly the asked outer indices (rows or
// experts) and writes each into the ledger.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <span>

#include "loader/io/model_files.h"
#include "loader/io/read_ledger.h"

namespace shoal::loader {

enum class ReadMode : uint8_t {
  kMapped,  // views into the mapping: no copy, resident when touched, shared by ranks of a machine
  kCopied,  // owned memory, 64-byte aligned, filled before read() returns
};

// A range of a file, to be read piece by piece into memory of the caller's. Valid while the files
// are open; any number of threads may read.
struct ByteSource {
  const MappedFile* file = nullptr;
  ByteRange range;

  // Bytes [offset, offset + to.size()) of the range. Throws ModelFileError when the file became
  // shorter.
  void read(uint64_t offset, std::span<std::byte> to) const {
    file->read_into(range.offset + offset, to);
  }
};

class WeightReader {
 public:
  // `files` outlives the reader.
  WeightReader(const ModelFiles& files, ReadMode mode) : files_(files), mode_(mode) {}

  // Outer indices [begin, end) of a tensor of the directory. kMapped: valid while the files are
  // open. kCopied: valid while the reader lives; the same range twice is one copy. Not thread-safe.
  // Throws ModelFileError when the file became shorter.
  std::span<const std::byte> read(const TensorInfo& tensor, int64_t begin, int64_t end);
  std::span<const std::byte> read(const TensorInfo& tensor) {
    return read(tensor, 0, tensor.outer());
  }

  // The same range for one who has a place for its bytes; the ledger counts all of it at once.
  ByteSource source(const TensorInfo& tensor, int64_t begin, int64_t end);

  const ReadLedger& ledger() const { return ledger_; }

 private:
  struct FreeAligned {
    void operator()(std::byte* memory) const;
  };
  using Memory = std::unique_ptr<std::byte[], FreeAligned>;

  std::span<const std::byte> copy(const ByteRange& range);

  const ModelFiles& files_;
  ReadMode mode_;
  ReadLedger ledger_;
  std::map<std::pair<int, uint64_t>, Memory> copies_;  // (shard, offset)
};

}  // namespace shoal::loader
