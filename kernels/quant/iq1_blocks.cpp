#include "kernels/quant/block_unpack.h"
#include "kernels/quant/codebooks.h"
#include "kernels/quant/half.h"

namespace shoal::kernels {
namespace {

// A value is scale * (g + delta) with g in -1, 0, 1 and delta an eighth, up or down: eight times
// the sum is a whole number, and an eighth of the scale is exact.
void unpack_run(uint64_t entry, bool down, int8_t* q) {
  for (int i = 0; i < 8; ++i) {
    const int g = static_cast<int8_t>(entry >> 8 * i & 255);
    q[i] = static_cast<int8_t>(8 * g + (down ? -1 : 1));
  }
}

float odd_scale(float d, int s) { return (d * static_cast<float>(2 * s + 1)) * 0.125f; }

}  // namespace

// f16 d, 32 low bytes of indices, 8 words: four times three index bits, a 3-bit scale and, in the
// top bit, the direction of delta.
void unpack_iq1_s(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 50 * (j / 8);
    const auto word = load_bytes<uint16_t>(block + 34 + 2 * (j % 8));
    out.scale[j] = odd_scale(load_f16(block), word >> 12 & 7);
    for (int run = 0; run < 4; ++run) {
      const auto low = std::to_integer<size_t>(block[2 + 4 * (j % 8) + run]);
      const size_t high = word >> 3 * run & 7;
      unpack_run(kIq1Grid[low | high << 8], (word & 0x8000) != 0, out.q + 32 * j + 8 * run);
    }
  }
}

// 32 low bytes of indices, 16 bytes of nibbles (three index bits, direction of delta), four words
// of four 3-bit scales each, whose top nibbles are the bits of an f16 d.
void unpack_iq1_m(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 56 * (j / 8);
    const auto word = [&](int64_t i) { return load_bytes<uint16_t>(block + 48 + 2 * i); };
    uint32_t d_bits = 0;
    for (int i = 0; i < 4; ++i) d_bits |= static_cast<uint32_t>(word(i) >> 12) << 4 * i;
    const float d = f32_from_f16(static_cast<uint16_t>(d_bits));
    const int64_t b = j % 8;
    for (int half = 0; half < 2; ++half) {
      const int64_t group = 2 * b + half;
      out.scale[2 * j + half] = odd_scale(d, word(group / 4) >> 3 * (group % 4) & 7);
    }
    for (int run = 0; run < 4; ++run) {
      const auto low = std::to_integer<size_t>(block[4 * b + run]);
      const size_t high =
          std::to_integer<size_t>(block[32 + 2 * b + run / 2]) >> 4 * (run % 2) & 15;
      unpack_run(kIq1Grid[low | (high & 7) << 8], (high & 8) != 0, out.q + 32 * j + 8 * run);
    }
  }
}

}  // namespace shoal::kernels
