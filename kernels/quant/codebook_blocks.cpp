#include "kernels/quant/block_unpack.h"
#include "kernels/quant/codebooks.h"
#include "kernels/quant/half.h"

namespace shoal::kernels {

// f16 d, 64 grid indices (4 columns each), 8 words: four 7-bit sign indices and a 4-bit scale.
void unpack_iq3_xxs(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 98 * (j / 8);
    const std::byte* indices = block + 2 + 8 * (j % 8);
    const auto word = load_bytes<uint32_t>(block + 66 + 4 * (j % 8));
    out.scale[j] = (load_f16(block) * (0.5f + static_cast<float>(word >> 28))) * 0.5f;
    for (int i = 0; i < 32; ++i) {
      const uint32_t entry = kIq3XxsGrid[std::to_integer<size_t>(indices[i / 4])];
      const int magnitude = static_cast<int>(entry >> 8 * (i % 4) & 255);
      const uint64_t signs = kEvenSigns[word >> 7 * (i / 8) & 127];
      const int sign = static_cast<int8_t>(signs >> 8 * (i % 8) & 255);
      out.q[32 * j + i] = static_cast<int8_t>(magnitude * sign);
    }
  }
}

// f16 d, 8 scales of 6 bits (two high bits in a u16, nibbles in 4 bytes), 128 bytes of codes:
// 16 bytes a 32-block, low nibbles first.
void unpack_iq4_xs(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 136 * (j / 8);
    const int g = static_cast<int>(j % 8);
    const int high = load_bytes<uint16_t>(block + 2) >> 2 * g & 3;
    const int low = std::to_integer<int>(block[4 + g / 2]) >> 4 * (g % 2) & 15;
    out.scale[j] = load_f16(block) * static_cast<float>((low | high << 4) - 32);
    for (int i = 0; i < 16; ++i) {
      const int pair = std::to_integer<int>(block[8 + 16 * g + i]);
      out.q[32 * j + i] = kIq4Levels[pair & 15];
      out.q[32 * j + 16 + i] = kIq4Levels[pair >> 4];
    }
  }
}

}  // namespace shoal::kernels
