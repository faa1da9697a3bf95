#include "kernels/quant/block_unpack.h"
#include "kernels/quant/half.h"

namespace shoal::kernels {
namespace {

// A byte is a fraction in base 3, scaled to 256: its first digit is the whole part of three times
// it, and multiplying by 3 in eight bits moves on to the next digit.
int ternary_digit(std::byte packed, int index) {
  constexpr int kPowers[] = {1, 3, 9, 27, 81};
  const int moved = std::to_integer<int>(packed) * kPowers[index] & 255;
  return moved * 3 >> 8;
}

}  // namespace

// 32 bytes of five digits (digit k of all 32, then digit k + 1), 16 bytes of five, 4 bytes of four,
// f16 d.
void unpack_tq1_0(const std::byte* row, int64_t cols, const IntegerRow& out) {
  struct Part {
    int first_byte, num_bytes, num_digits;
  };
  constexpr Part kParts[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
  for (int64_t s = 0; s < cols / 256; ++s) {
    const std::byte* block = row + 54 * s;
    for (int j = 0; j < 8; ++j) out.scale[8 * s + j] = load_f16(block + 52);
    int8_t* q = out.q + 256 * s;
    for (const Part& part : kParts)
      for (int digit = 0; digit < part.num_digits; ++digit)
        for (int b = 0; b < part.num_bytes; ++b)
          *q++ = static_cast<int8_t>(ternary_digit(block[part.first_byte + b], digit) - 1);
  }
}

// 64 bytes of two-bit quants (as q2_K has them), f16 d. The fourth value, 2, is legal.
void unpack_tq2_0(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t s = 0; s < cols / 256; ++s) {
    const std::byte* block = row + 66 * s;
    for (int j = 0; j < 8; ++j) out.scale[8 * s + j] = load_f16(block + 64);
    for (int i = 0; i < 256; ++i) {
      const int byte = std::to_integer<int>(block[32 * (i / 128) + i % 32]);
      out.q[256 * s + i] = static_cast<int8_t>((byte >> 2 * (i % 128 / 32) & 3) - 1);
    }
  }
}

}  // namespace shoal::kernels
