#include <cstring>

#include "kernels/quant/block_unpack.h"
#include "kernels/quant/half.h"

namespace shoal::kernels {
namespace {

// Low nibbles are columns 0..15, high ones 16..31. Bit i of `fifths` is the fifth bit of column i.
void unpack_nibbles(const std::byte* nibbles, uint32_t fifths, int offset, int8_t* q) {
  for (int i = 0; i < 32; ++i) {
    const int nibble = std::to_integer<int>(nibbles[i % 16]) >> 4 * (i / 16) & 15;
    const int fifth = static_cast<int>(fifths >> i & 1);
    q[i] = static_cast<int8_t>((nibble | fifth << 4) - offset);
  }
}

}  // namespace

// f16 scale, nibbles.
void unpack_q4_0(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 18 * j;
    out.scale[j] = load_f16(block);
    unpack_nibbles(block + 2, 0, 8, out.q + 32 * j);
  }
}

// f16 scale, f16 offset that is added, nibbles.
void unpack_q4_1(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 20 * j;
    out.scale[j] = load_f16(block);
    out.min[j] = -load_f16(block + 2);
    unpack_nibbles(block + 4, 0, 0, out.q + 32 * j);
  }
}

// f16 scale, a word of fifth bits, nibbles.
void unpack_q5_0(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 22 * j;
    out.scale[j] = load_f16(block);
    unpack_nibbles(block + 6, load_bytes<uint32_t>(block + 2), 16, out.q + 32 * j);
  }
}

// f16 scale, f16 offset that is added, a word of fifth bits, nibbles.
void unpack_q5_1(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 24 * j;
    out.scale[j] = load_f16(block);
    out.min[j] = -load_f16(block + 2);
    unpack_nibbles(block + 8, load_bytes<uint32_t>(block + 4), 0, out.q + 32 * j);
  }
}

// f16 scale, 32 signed bytes.
void unpack_q8_0(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t j = 0; j < cols / 32; ++j) {
    const std::byte* block = row + 34 * j;
    out.scale[j] = load_f16(block);
    std::memcpy(out.q + 32 * j, block + 2, 32);
  }
}

}  // namespace shoal::kernels
