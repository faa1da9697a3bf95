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

// Four scale bytes, one for 16 columns each, then 8 bytes of codes for each 16: low nibbles are the
// first eight columns, high ones the rest.
void unpack_nvfp4(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t g = 0; g < cols / 16; ++g) {
    const std::byte* block = row + 36 * (g / 4);
    out.scale[g] = half_of_ue4m3(std::to_integer<uint8_t>(block[g % 4]));
    for (int i = 0; i < 8; ++i) {
      const int pair = std::to_integer<int>(block[4 + 8 * (g % 4) + i]);
      out.q[16 * g + i] = kDoubledFp4[pair & 15];
      out.q[16 * g + 8 + i] = kDoubledFp4[pair >> 4];
    }
  }
}

}  // namespace shoal::kernels
