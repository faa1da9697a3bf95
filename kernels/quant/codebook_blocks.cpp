#include "kernels/quant/block_unpack.h"
#include "kernels/quant/codebooks.h"
#include "kernels/quant/half.h"

namespace shoal::kernels {
namespace {

// `count` magnitudes of a grid entry with the signs of their columns.
void apply_signs(uint64_t entry, uint32_t minus_mask, int count, int8_t* q) {
  for (int i = 0; i < count; ++i) {
    const int magnitude = static_cast<int>(entry >> 8 * i & 255);
    q[i] = static_cast<int8_t>(minus_mask >> i & 1 ? -magnitude : magnitude);
  }
}

size_t byte_at(const std::byte* at) { return std::to_integer<size_t>(*at); }

// (d * (0.5 + s)) * factor
float half_step_scale(const std::byte* d, uint32_t s, float factor) {
  return (load_f16(d) * (0.5f + static_cast<float>(s))) * factor;
}

uint32_t nibble(const std::byte* at, int64_t high) {
  return std::to_integer<uint32_t>(*at) >> 4 * high & 15;
}

}  // namespace

// f16 d, 8 groups of 4 grid indices and a word: four 7-bit sign indices and a 4-bit scale.
void unpack_iq2_xxs(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 66 * (j / 8);
    const std::byte* group = block + 2 + 8 * (j % 8);
    const auto word = load_bytes<uint32_t>(group + 4);
    out.scale[j] = half_step_scale(block, word >> 28, 0.25f);
    for (int run = 0; run < 4; ++run)
      apply_signs(kIq2XxsGrid[byte_at(group + run)],
                  even_sign_mask(word >> 7 * run & 127),
                  8,
                  out.q + 32 * j + 8 * run);
  }
}

// f16 d, 32 words of a 9-bit grid index and a 7-bit sign index, 8 bytes of two scales each.
void unpack_iq2_xs(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 74 * (j / 8);
    for (int half = 0; half < 2; ++half)
      out.scale[2 * j + half] = half_step_scale(block, nibble(block + 66 + j % 8, half), 0.25f);
    for (int run = 0; run < 4; ++run) {
      const auto word = load_bytes<uint16_t>(block + 2 + 8 * (j % 8) + 2 * run);
      apply_signs(kIq2XsGrid[word & 511],
                  even_sign_mask(static_cast<uint32_t>(word) >> 9),
                  8,
                  out.q + 32 * j + 8 * run);
    }
  }
}

// f16 d, 32 low bytes of indices, 32 sign masks, 8 bytes of two index bits a run, 8 bytes of
// scales.
void unpack_iq2_s(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 82 * (j / 8);
    const int64_t g = j % 8;
    for (int half = 0; half < 2; ++half)
      out.scale[2 * j + half] = half_step_scale(block, nibble(block + 74 + g, half), 0.25f);
    for (int run = 0; run < 4; ++run) {
      const size_t high = byte_at(block + 66 + g) >> 2 * run & 3;
      apply_signs(kIq2SGrid[byte_at(block + 2 + 4 * g + run) | high << 8],
                  static_cast<uint32_t>(byte_at(block + 34 + 4 * g + run)),
                  8,
                  out.q + 32 * j + 8 * run);
    }
  }
}

// f16 d, 64 grid indices (4 columns each), 8 words: four 7-bit sign indices and a 4-bit scale.
void unpack_iq3_xxs(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 98 * (j / 8);
    const auto word = load_bytes<uint32_t>(block + 66 + 4 * (j % 8));
    out.scale[j] = half_step_scale(block, word >> 28, 0.5f);
    for (int run = 0; run < 8; ++run)
      apply_signs(kIq3XxsGrid[byte_at(block + 2 + 8 * (j % 8) + run)],
                  even_sign_mask(word >> 7 * (run / 2) & 127) >> 4 * (run % 2),
                  4,
                  out.q + 32 * j + 4 * run);
  }
}

// f16 d, 64 low bytes of indices, 8 bytes of ninth bits, 32 sign masks, 4 bytes of two scales each.
void unpack_iq3_s(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 110 * (j / 8);
    const int64_t g = j % 8;
    const uint32_t s = nibble(block + 106 + g / 2, g % 2);
    out.scale[j] = load_f16(block) * static_cast<float>(1 + 2 * s);
    for (int run = 0; run < 8; ++run) {
      const size_t ninth = byte_at(block + 66 + g) >> run & 1;
      const auto signs = static_cast<uint32_t>(byte_at(block + 74 + 4 * g + run / 2));
      apply_signs(kIq3SGrid[byte_at(block + 2 + 8 * g + run) | ninth << 8],
                  signs >> 4 * (run % 2),
                  4,
                  out.q + 32 * j + 4 * run);
    }
  }
}

}  // namespace shoal::kernels
