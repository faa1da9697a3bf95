#include "kernels/quant/block_unpack.h"
#include "kernels/quant/codebooks.h"
#include "kernels/quant/half.h"

namespace shoal::kernels {
namespace {

// 16 bytes a 32-block: low nibbles are columns 0..15, high ones 16..31.
void unpack_levels(const std::byte* codes, int8_t* q) {
  for (int i = 0; i < 16; ++i) {
    const int pair = std::to_integer<int>(codes[i]);
    q[i] = kIq4Levels[pair & 15];
    q[16 + i] = kIq4Levels[pair >> 4];
  }
}

}  // namespace

// f16 scale, codes.
void unpack_iq4_nl(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 18 * j;
    out.scale[j] = load_f16(block);
    unpack_levels(block + 2, out.q + 32 * j);
  }
}

// f16 d, 8 scales of 6 bits (two high bits in a u16, nibbles in 4 bytes), 128 bytes of codes.
void unpack_iq4_xs(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 136 * (j / 8);
    const int g = static_cast<int>(j % 8);
    const int high = load_bytes<uint16_t>(block + 2) >> 2 * g & 3;
    const int low = std::to_integer<int>(block[4 + g / 2]) >> 4 * (g % 2) & 15;
    out.scale[j] = load_f16(block) * static_cast<float>((low | high << 4) - 32);
    unpack_levels(block + 8 + 16 * g, out.q + 32 * j);
  }
}

}  // namespace shoal::kernels
