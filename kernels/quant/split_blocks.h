// The split layout of quantised matrices (kernels/weight_view.h): where a type's blocks are cut,
// and the cutting itself. A pure permutation of bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "runtime/base/dtype.h"

namespace shoal::kernels {

// Of one block: bytes [head_offset, head_offset + head_bytes) are the head, the others, closed up,
// the body.
struct BlockCut {
  int64_t block_bytes;
  int64_t head_offset;
  int64_t head_bytes;
  int64_t body_bytes() const { return block_bytes - head_bytes; }
};

// Empty for types that have no split layout; floats have none and need none.
std::optional<BlockCut> find_block_cut(DType dtype);

struct SplitPlanes {
  std::byte* bodies;  // [num_blocks, body_bytes]
  std::byte* heads;   // [num_blocks, head_bytes]
};
void split_blocks(const BlockCut& cut, const std::byte* from, int64_t num_blocks, SplitPlanes to);

}  // namespace shoal::kernels
