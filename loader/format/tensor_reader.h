// The tensor entries of a GGUF header, from bytes, and the layout of the data behind them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "loader/format/byte_cursor.h"
#include "loader/format/tensor_directory.h"

namespace shoal::loader {

inline constexpr uint64_t kMaxTensors = 65536;  // of one shard; the largest model has about 1,100
inline constexpr uint64_t kMaxTensorNameBytes = 63;

// Refuses a count whose entries cannot fit in the bytes left. Called before the metadata is read,
// so that an absurd header is refused at once, and again by read_tensor_infos().
void check_tensor_count(uint64_t count, const ByteCursor& cursor, const std::string& file);

// Reads `count` entries: names unique, shapes and types legal, `bytes` computed with checked
// arithmetic. `offset` is still what the file says: relative to the data section, not yet checked.
// Throws ModelFileError.
std::vector<TensorInfo> read_tensor_infos(ByteCursor& cursor,
                                          uint64_t count,
                                          const std::string& file);

struct DataSection {
  uint64_t begin = 0;  // position in the file, a multiple of the alignment
  uint64_t alignment = 32;
  uint64_t file_bytes = 0;
};

// Turns offsets into positions in the file. The format leaves no freedom: each tensor starts where
// the padded one before it ends, so overlaps, holes and reads beyond the end are all caught by
// following the running sum. Throws ModelFileError. Returns where the last tensor ends, unpadded.
uint64_t place_tensors(std::vector<TensorInfo>& tensors,
                       const DataSection& data,
                       const std::string& file);

}  // namespace shoal::loader
