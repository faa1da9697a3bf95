// Blocks of any type, one 32-block at a time, the type picked at run time: for what has no split
// layout (kernels/quant/split_blocks.h), no tuned kernel, or a scale of its own. The integers and
// scales are those of kernels/quant. Rows of types without a split layout are GGUF rows; all such
// blocks have even sizes, so 16-bit loads are aligned.
#pragma once
#include "kernels/cuda/row_product.cuh"
#include "kernels/quant/codebooks.h"
#include "kernels/quant/fp4.h"
#include "kernels/quant/grid_digits.h"

namespace shoal::kernels::cuda {

// As WeightBlock; min[1] counts where a minimum covers 16 columns.
struct AnyBlock {
  int q[8];
  float scale[2];
  float min[2];
};

static __device__ const std::array<uint64_t, 2048> kIq1Entries =
    expand_grid<8>(kIq1Digits, kIq1Levels);
static __device__ const std::array<uint64_t, 256> kIq2XxsEntries =
    expand_grid<8>(kIq2XxsDigits, kIq2Levels);
static __device__ const std::array<uint64_t, 512> kIq2XsEntries =
    expand_grid<8>(kIq2XsDigits, kIq2Levels);
static __device__ const std::array<uint64_t, 1024> kIq2SEntries =
    expand_grid<8>(kIq2SDigits, kIq2Levels);
static __device__ const std::array<uint64_t, 512> kIq3SEntries =
    expand_grid<4>(kIq3SDigits, kIq3SLevels);

__device__ inline uint32_t byte_at(const uint8_t* at) { return load_at<uint8_t>(at); }
__device__ inline uint32_t short_at(const uint8_t* at) { return load_at<uint16_t>(at); }
__device__ inline uint32_t word_at(const uint8_t* at) {
  return short_at(at) | short_at(at + 2) << 16;
}
__device__ inline float half_at(const uint8_t* at) { return half_bits(short_at(at)); }
__device__ inline uint32_t nibble_at(const uint8_t* at, int high) {
  return byte_at(at) >> 4 * high & 15;
}

// Bit k of the four becomes bit 0 of byte k.
__device__ inline uint32_t spread_bits(uint32_t four) {
  return (four & 15) * 0x00204081u & 0x01010101u;
}

__device__ inline int with_signs(uint32_t magnitudes, uint32_t minus_bits) {
  const uint32_t minus = spread_bits(minus_bits) * 255u;
  return static_cast<int>(__vsub4(magnitudes ^ minus, minus));
}

// Eight columns: a grid entry with signs.
__device__ inline void set_run(AnyBlock& out, int run, uint64_t entry, uint32_t minus_bits) {
  out.q[2 * run] = with_signs(static_cast<uint32_t>(entry), minus_bits);
  out.q[2 * run + 1] = with_signs(static_cast<uint32_t>(entry >> 32), minus_bits >> 4);
}

// Eight columns of -1, 0, 1, eight times, and one more or less.
__device__ inline void set_shifted_run(AnyBlock& out, int run, uint64_t entry, bool down) {
  const uint32_t delta = down ? 0xffffffffu : 0x01010101u;
  out.q[2 * run] =
      static_cast<int>(__vadd4(static_cast<uint32_t>(entry) << 3 & 0xf8f8f8f8u, delta));
  out.q[2 * run + 1] =
      static_cast<int>(__vadd4(static_cast<uint32_t>(entry >> 32) << 3 & 0xf8f8f8f8u, delta));
}

// 16 bytes: low nibbles are columns 0..15, high ones 16..31; bit i of `fifths` goes on top of
// column i; `offset` is taken from every byte.
__device__ inline void set_nibbles(AnyBlock& out,
                                   const uint8_t* codes,
                                   uint32_t fifths,
                                   uint32_t offset) {
  for (int i = 0; i < 4; ++i) {
    const uint32_t word = word_at(codes + 4 * i);
    const uint32_t low = (word & 0x0f0f0f0fu) | spread_bits(fifths >> 4 * i) << 4;
    const uint32_t high = (word >> 4 & 0x0f0f0f0fu) | spread_bits(fifths >> (16 + 4 * i)) << 4;
    out.q[i] = static_cast<int>(__vsub4(low, offset));
    out.q[4 + i] = static_cast<int>(__vsub4(high, offset));
  }
}

// 16 bytes of codes of sixteen levels, in the same order.
__device__ inline void set_levels(AnyBlock& out, const uint8_t* codes, const Levels& levels) {
  for (int i = 0; i < 4; ++i) look_up(levels, word_at(codes + 4 * i), out.q[i], out.q[4 + i]);
}

// Two bits a column, four columns of 32 apart in a byte: word i of 32-block g of a superblock.
__device__ inline uint32_t two_bits(const uint8_t* plane, int g, int i) {
  return word_at(plane + 32 * (g / 4) + 4 * i) >> 2 * (g % 4) & 0x03030303u;
}

__device__ inline void decode_q2_k(const uint8_t* block, int g, AnyBlock& out) {
  const float d = half_at(block + 80), dmin = half_at(block + 82);
  for (int half = 0; half < 2; ++half) {
    const uint32_t both = byte_at(block + 2 * g + half);
    out.scale[half] = __fmul_rn(d, static_cast<float>(both & 15));
    out.min[half] = __fmul_rn(dmin, static_cast<float>(both >> 4));
  }
  for (int i = 0; i < 8; ++i) out.q[i] = static_cast<int>(two_bits(block + 16, g, i));
}

__device__ inline void decode_q3_k(const uint8_t* block, int g, AnyBlock& out) {
  const float d = half_at(block + 108);
  for (int half = 0; half < 2; ++half) {
    const int group = 2 * g + half;
    const uint32_t low = nibble_at(block + 96 + group % 8, group / 8);
    const uint32_t high = byte_at(block + 104 + group % 4) >> 2 * (group / 4) & 3;
    out.scale[half] = __fmul_rn(d, static_cast<float>(static_cast<int>(low | high << 4) - 32));
  }
  for (int i = 0; i < 8; ++i) {
    const uint32_t third = word_at(block + 4 * i) >> g & 0x01010101u;
    out.q[i] = static_cast<int>(__vsub4(two_bits(block + 32, g, i) | third << 2, 0x04040404u));
  }
}

__device__ inline float odd_scale(float d, uint32_t s) {
  return __fmul_rn(__fmul_rn(d, static_cast<float>(2 * s + 1)), 0.125f);
}

__device__ inline void decode_iq1_s(const uint8_t* block, int g, AnyBlock& out) {
  const uint32_t word = short_at(block + 34 + 2 * g);
  out.scale[0] = odd_scale(half_at(block), word >> 12 & 7);
  for (int run = 0; run < 4; ++run) {
    const uint32_t index = byte_at(block + 2 + 4 * g + run) | (word >> 3 * run & 7) << 8;
    set_shifted_run(out, run, kIq1Entries[index], (word & 0x8000) != 0);
  }
}

__device__ inline void decode_iq1_m(const uint8_t* block, int g, AnyBlock& out) {
  uint32_t d_bits = 0;
  for (int i = 0; i < 4; ++i) d_bits |= short_at(block + 48 + 2 * i) >> 12 << 4 * i;
  for (int half = 0; half < 2; ++half) {
    const int group = 2 * g + half;
    out.scale[half] =
        odd_scale(half_bits(d_bits), short_at(block + 48 + 2 * (group / 4)) >> 3 * (group % 4) & 7);
  }
  for (int run = 0; run < 4; ++run) {
    const uint32_t high = nibble_at(block + 32 + 2 * g + run / 2, run % 2);
    set_shifted_run(
        out, run, kIq1Entries[byte_at(block + 4 * g + run) | (high & 7) << 8], (high & 8) != 0);
  }
}

// (d * (0.5 + s)) * 0.25
__device__ inline float quarter_scale(const uint8_t* block, uint32_t s) {
  return __fmul_rn(__fmul_rn(half_at(block), 0.5f + static_cast<float>(s)), 0.25f);
}

__device__ inline void decode_iq2_xxs(const uint8_t* block, int g, AnyBlock& out) {
  const uint8_t* group = block + 2 + 8 * g;
  const uint32_t word = word_at(group + 4);
  out.scale[0] = quarter_scale(block, word >> 28);
  for (int run = 0; run < 4; ++run)
    set_run(out, run, kIq2XxsEntries[byte_at(group + run)], even_sign_mask(word >> 7 * run & 127));
}

__device__ inline void decode_iq2_xs(const uint8_t* block, int g, AnyBlock& out) {
  for (int half = 0; half < 2; ++half)
    out.scale[half] = quarter_scale(block, nibble_at(block + 66 + g, half));
  for (int run = 0; run < 4; ++run) {
    const uint32_t word = short_at(block + 2 + 8 * g + 2 * run);
    set_run(out, run, kIq2XsEntries[word & 511], even_sign_mask(word >> 9));
  }
}

__device__ inline void decode_iq2_s(const uint8_t* block, int g, AnyBlock& out) {
  for (int half = 0; half < 2; ++half)
    out.scale[half] = quarter_scale(block, nibble_at(block + 74 + g, half));
  for (int run = 0; run < 4; ++run) {
    const uint32_t high = byte_at(block + 66 + g) >> 2 * run & 3;
    set_run(out,
            run,
            kIq2SEntries[byte_at(block + 2 + 4 * g + run) | high << 8],
            byte_at(block + 34 + 4 * g + run));
  }
}

__device__ inline void decode_iq3_s(const uint8_t* block, int g, AnyBlock& out) {
  const uint32_t s = nibble_at(block + 106 + g / 2, g % 2);
  out.scale[0] = __fmul_rn(half_at(block), static_cast<float>(1 + 2 * s));
  for (int run = 0; run < 8; ++run) {
    const uint32_t ninth = byte_at(block + 66 + g) >> run & 1;
    const uint32_t signs = byte_at(block + 74 + 4 * g + run / 2) >> 4 * (run % 2);
    out.q[run] = with_signs(
        static_cast<uint32_t>(kIq3SEntries[byte_at(block + 2 + 8 * g + run) | ninth << 8]), signs);
  }
}

// Four bytes of a 32-block of tq1_0: column c of the superblock is a base-3 digit of a byte.
__device__ inline uint32_t ternary_word(const uint8_t* block, int first) {
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i) {
    const int c = first + i;
    const int at = c < 160 ? c % 32 : c < 240 ? 32 + c % 16 : 48 + c % 4;
    const int digit = c < 160 ? c / 32 : c < 240 ? (c - 160) / 16 : (c - 240) / 4;
    uint32_t moved = byte_at(block + at);
    for (int k = 0; k < digit; ++k) moved = 3 * moved & 255;
    word |= (3 * moved >> 8) << 8 * i;
  }
  return word;
}

__device__ inline void decode_tq1_0(const uint8_t* block, int g, AnyBlock& out) {
  out.scale[0] = half_at(block + 52);
  for (int i = 0; i < 8; ++i)
    out.q[i] = static_cast<int>(__vsub4(ternary_word(block, 32 * g + 4 * i), 0x01010101u));
}

__device__ inline void decode_tq2_0(const uint8_t* block, int g, AnyBlock& out) {
  out.scale[0] = half_at(block + 64);
  for (int i = 0; i < 8; ++i)
    out.q[i] = static_cast<int>(__vsub4(two_bits(block, g, i), 0x01010101u));
}

// `pair` is 0 or 1: which half of a block of 64 columns.
__device__ inline void decode_nvfp4(const uint8_t* block, int pair, AnyBlock& out) {
  for (int half = 0; half < 2; ++half) {
    const int group = 2 * pair + half;
    const uint8_t* codes = block + 4 + 8 * group;
    int* q = out.q + 4 * half;
    out.scale[half] = half_of_ue4m3(static_cast<uint8_t>(byte_at(block + group)));
    look_up(MXFP4::levels(), word_at(codes), q[0], q[2]);
    look_up(MXFP4::levels(), word_at(codes + 4), q[1], q[3]);
  }
}

template <class Codec>
__device__ inline void decode_split(const SplitRow& row, int j, AnyBlock& out) {
  typename Codec::Raw raw;
  WeightBlock w = {};
  Codec::fetch(row, j, raw);
  Codec::unpack(raw, j, w);
  for (int i = 0; i < 8; ++i) out.q[i] = w.q[i];
  out.scale[0] = w.scale[0];
  out.scale[1] = w.scale[1];
  out.min[0] = w.min;
}

// 32-block j of a row. What a type has no use for stays as it was.
__device__ __noinline__ void decode_any(DType dtype, SplitRow row, int j, AnyBlock& out) {
  const uint8_t* at = row.bodies;
  const int s = j / 8, g = j % 8;
  switch (dtype) {
    case DType::kQ8_0:
      return decode_split<Q8_0>(row, j, out);
    case DType::kQ4_K:
      return decode_split<Q4_K>(row, j, out);
    case DType::kQ5_K:
      return decode_split<Q5_K>(row, j, out);
    case DType::kQ6_K:
      return decode_split<Q6_K>(row, j, out);
    case DType::kIQ3_XXS:
      return decode_split<IQ3_XXS>(row, j, out);
    case DType::kIQ4_XS:
      return decode_split<IQ4_XS>(row, j, out);
    case DType::kMXFP4:
      return decode_split<MXFP4>(row, j, out);
    case DType::kQ4_0:
      out.scale[0] = half_at(at + 18 * j);
      return set_nibbles(out, at + 18 * j + 2, 0, 0x08080808u);
    case DType::kQ4_1:
      out.scale[0] = half_at(at + 20 * j);
      out.min[0] = -half_at(at + 20 * j + 2);
      return set_nibbles(out, at + 20 * j + 4, 0, 0);
    case DType::kQ5_0:
      out.scale[0] = half_at(at + 22 * j);
      return set_nibbles(out, at + 22 * j + 6, word_at(at + 22 * j + 2), 0x10101010u);
    case DType::kQ5_1:
      out.scale[0] = half_at(at + 24 * j);
      out.min[0] = -half_at(at + 24 * j + 2);
      return set_nibbles(out, at + 24 * j + 8, word_at(at + 24 * j + 4), 0);
    case DType::kIQ4_NL:
      out.scale[0] = half_at(at + 18 * j);
      return set_levels(out, at + 18 * j + 2, IQ4_XS::levels());
    case DType::kNVFP4:
      return decode_nvfp4(at + 36 * (j / 2), j % 2, out);
    case DType::kQ2_K:
      return decode_q2_k(at + 84 * s, g, out);
    case DType::kQ3_K:
      return decode_q3_k(at + 110 * s, g, out);
    case DType::kIQ1_S:
      return decode_iq1_s(at + 50 * s, g, out);
    case DType::kIQ1_M:
      return decode_iq1_m(at + 56 * s, g, out);
    case DType::kIQ2_XXS:
      return decode_iq2_xxs(at + 66 * s, g, out);
    case DType::kIQ2_XS:
      return decode_iq2_xs(at + 74 * s, g, out);
    case DType::kIQ2_S:
      return decode_iq2_s(at + 82 * s, g, out);
    case DType::kIQ3_S:
      return decode_iq3_s(at + 110 * s, g, out);
    case DType::kTQ1_0:
      return decode_tq1_0(at + 54 * s, g, out);
    default:
      return decode_tq2_0(at + 66 * s, g, out);
  }
}

}  // namespace shoal::kernels::cuda
