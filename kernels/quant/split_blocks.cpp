#include "kernels/quant/split_blocks.h"

#include <cstring>

namespace shoal::kernels {

std::optional<BlockCut> find_block_cut(DType dtype) {
  const auto cut = [dtype](int64_t head_offset, int64_t head_bytes) {
    return BlockCut{dtype_traits(dtype).block_bytes, head_offset, head_bytes};
  };
  switch (dtype) {
    case DType::kQ8_0:
    case DType::kIQ3_XXS:
      return cut(0, 2);  // d
    case DType::kQ4_K:
    case DType::kQ5_K:
      return cut(0, 16);  // d, dmin and the six-bit scales
    case DType::kQ6_K:
      return cut(208, 2);  // d, at the end
    case DType::kIQ4_XS:
      return cut(0, 8);  // d and the six-bit scales
    case DType::kMXFP4:
      return cut(0, 1);  // e
    default:
      return std::nullopt;
  }
}

void split_blocks(const BlockCut& cut, const std::byte* from, int64_t num_blocks, SplitPlanes to) {
  const auto before = static_cast<size_t>(cut.head_offset);
  const auto head = static_cast<size_t>(cut.head_bytes);
  const auto after = static_cast<size_t>(cut.block_bytes) - before - head;
  for (int64_t i = 0; i < num_blocks; ++i) {
    const std::byte* block = from + i * cut.block_bytes;
    std::byte* body = to.bodies + i * cut.body_bytes();
    std::memcpy(body, block, before);
    std::memcpy(body + before, block + before + head, after);
    std::memcpy(to.heads + i * cut.head_bytes, block + before, head);
  }
}

}  // namespace shoal::kernels
