#include <cstring>

#include "kernels/quant/block_unpack.h"
#include "kernels/quant/half.h"

namespace shoal::kernels {

// f16 scale, 32 signed bytes.
void unpack_q8_0(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 34 * j;
    out.scale[j] = load_f16(block);
    std::memcpy(out.q + 32 * j, block + 2, 32);
  }
}

}  // namespace shoal::kernels
