#include "kernels/quant/block_unpack.h"
#include "kernels/quant/fp4.h"

namespace shoal::kernels {

// An exponent byte, 16 bytes of codes: low nibbles are columns 0..15, high ones 16..31.
void unpack_mxfp4(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 17 * j;
    out.scale[j] = half_of_e8m0(std::to_integer<uint8_t>(block[0]));
    for (int i = 0; i < 16; ++i) {
      const int pair = std::to_integer<int>(block[1 + i]);
      out.q[32 * j + i] = kDoubledFp4[pair & 15];
      out.q[32 * j + 16 + i] = kDoubledFp4[pair >> 4];
    }
  }
}

}  // namespace shoal::kernels
