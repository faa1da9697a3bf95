#include "kernels/quant/block_unpack.h"
#include "kernels/quant/half.h"

namespace shoal::kernels {
namespace {

int byte_at(const std::byte* at) { return std::to_integer<int>(*at); }

// Eight scales and eight minima of 6 bits in 12 bytes: the first four of each are the low 6 bits
// of bytes 0..3 and 4..7, whose top 2 bits are the top bits of the last four; their low 4 bits
// are the nibbles of bytes 8..11.
void unpack_six_bit(const std::byte* packed, float d, float dmin, const IntegerRow& out) {
  for (int j = 0; j < 4; ++j) {
    const int low_scale = byte_at(packed + j);
    const int low_min = byte_at(packed + 4 + j);
    const int high = byte_at(packed + 8 + j);
    out.scale[j] = d * static_cast<float>(low_scale & 63);
    out.min[j] = dmin * static_cast<float>(low_min & 63);
    out.scale[4 + j] = d * static_cast<float>((high & 15) | (low_scale >> 6) << 4);
    out.min[4 + j] = dmin * static_cast<float>((high >> 4) | (low_min >> 6) << 4);
  }
}

IntegerRow at_superblock(const IntegerRow& out, int64_t index, int groups) {
  return {out.q + 256 * index, out.scale + groups * index, out.min + 8 * index};
}

int nibble(const std::byte* plane, int i) {
  return byte_at(plane + 32 * (i / 64) + i % 32) >> 4 * (i / 32 % 2) & 15;
}

int two_bits(const std::byte* plane, int i) {
  return byte_at(plane + 32 * (i / 128) + i % 32) >> 2 * (i % 128 / 32) & 3;
}

}  // namespace

// 16 bytes of a scale and a minimum of 4 bits each, 64 bytes of two-bit quants, f16 d, f16 dmin.
void unpack_q2_k(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t s = 0; s < cols / 256; ++s) {
    const std::byte* block = row + 84 * s;
    const float d = load_f16(block + 80);
    const float dmin = load_f16(block + 82);
    for (int g = 0; g < 16; ++g) {
      out.scale[16 * s + g] = d * static_cast<float>(byte_at(block + g) & 15);
      out.min[16 * s + g] = dmin * static_cast<float>(byte_at(block + g) >> 4);
    }
    for (int i = 0; i < 256; ++i) out.q[256 * s + i] = static_cast<int8_t>(two_bits(block + 16, i));
  }
}

// A plane of third bits (clear means minus 4), two-bit quants, 16 scales of 6 bits, f16 d.
void unpack_q3_k(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t s = 0; s < cols / 256; ++s) {
    const std::byte* block = row + 110 * s;
    const float d = load_f16(block + 108);
    for (int g = 0; g < 16; ++g) {
      const int low = byte_at(block + 96 + g % 8) >> 4 * (g / 8) & 15;
      const int high = byte_at(block + 104 + g % 4) >> 2 * (g / 4) & 3;
      out.scale[16 * s + g] = d * static_cast<float>((low | high << 4) - 32);
    }
    for (int i = 0; i < 256; ++i) {
      const int third = byte_at(block + i % 32) >> i / 32 & 1;
      out.q[256 * s + i] = static_cast<int8_t>(two_bits(block + 32, i) - (third ? 0 : 4));
    }
  }
}

// f16 d, f16 dmin, 12 bytes of scales, 128 bytes of nibbles.
void unpack_q4_k(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t s = 0; s < cols / 256; ++s) {
    const std::byte* block = row + 144 * s;
    const IntegerRow piece = at_superblock(out, s, 8);
    unpack_six_bit(block + 4, load_f16(block), load_f16(block + 2), piece);
    for (int i = 0; i < 256; ++i) piece.q[i] = static_cast<int8_t>(nibble(block + 16, i));
  }
}

// As q4_K with a fifth bit: bit i / 32 of byte i % 32 of a plane before the nibbles.
void unpack_q5_k(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t s = 0; s < cols / 256; ++s) {
    const std::byte* block = row + 176 * s;
    const IntegerRow piece = at_superblock(out, s, 8);
    unpack_six_bit(block + 4, load_f16(block), load_f16(block + 2), piece);
    for (int i = 0; i < 256; ++i) {
      const int fifth = byte_at(block + 16 + i % 32) >> i / 32 & 1;
      piece.q[i] = static_cast<int8_t>(nibble(block + 48, i) | fifth << 4);
    }
  }
}

// Low nibbles (128 bytes), two high bits (64 bytes), 16 signed scales, f16 d. The nibbles of a half
// of 128 columns lie in 64 bytes: columns 0..63 are the low nibbles, 64..127 the high ones.
void unpack_q6_k(const std::byte* row, int64_t cols, const IntegerRow& out) {
  for (int64_t s = 0; s < cols / 256; ++s) {
    const std::byte* block = row + 210 * s;
    const IntegerRow piece = at_superblock(out, s, 16);
    const float d = load_f16(block + 208);
    for (int g = 0; g < 16; ++g)
      piece.scale[g] = d * static_cast<float>(load_bytes<int8_t>(block + 192 + g));
    for (int i = 0; i < 256; ++i) {
      const int half = i / 128;
      const int r = i % 128;
      const int low = byte_at(block + 64 * half + r % 64) >> 4 * (r / 64) & 15;
      const int high = byte_at(block + 128 + 32 * half + r % 32) >> 2 * (r / 32) & 3;
      piece.q[i] = static_cast<int8_t>((low | high << 4) - 32);
    }
  }
}

}  // namespace shoal::kernels
