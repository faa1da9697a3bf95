// One struct a block type: load() decodes a 32-block of a row to packed integers and its scales,
// as the unpack functions of kernels/quant do. Rows lie in device or shared memory, 2-byte aligned
// at least (1 for MXFP4); loads are whole aligned words, so bytes around a row's ends are read.
#pragma once
#include <cstdint>

#include "kernels/cuda/iq3_grid.cuh"
#include "runtime/base/dtype.h"

namespace shoal::kernels::cuda {

// Columns 4 i .. 4 i + 3 are the bytes of q[i]. scale[1] counts where a scale covers 16 columns.
struct WeightBlock {
  int q[8];
  float scale[2];
  float min;
};

// What one thread of a tile product needs of a block: words t and 4 + t of q (t from 0 to 3), which
// is its place in an operand of the tensor cores.
struct WeightPair {
  int q[2];
  float scale[2];
  float min;
};

__device__ inline uint32_t load_word(const uint8_t* at) {
  return *reinterpret_cast<const uint32_t*>(at);
}

__device__ inline uint4 load_quad(const uint8_t* at) { return *reinterpret_cast<const uint4*>(at); }

// A word at an even address.
__device__ inline uint32_t load_halves(const uint8_t* at) {
  const auto* halves = reinterpret_cast<const uint16_t*>(at);
  return halves[0] | static_cast<uint32_t>(halves[1]) << 16;
}

// kWords words from any address, by aligned loads.
template <int kWords>
__device__ inline void load_words(const uint8_t* at, uint32_t (&out)[kWords]) {
  const auto address = reinterpret_cast<uintptr_t>(at);
  const uint8_t* const base = at - address % 4;
  const unsigned shift = 8 * static_cast<unsigned>(address % 4);
  uint32_t raw[kWords + 1];
#pragma unroll
  for (int i = 0; i < kWords; ++i) raw[i] = load_word(base + 4 * i);
  raw[kWords] = shift != 0 ? load_word(base + 4 * kWords) : 0;
#pragma unroll
  for (int i = 0; i < kWords; ++i) out[i] = __funnelshift_r(raw[i], raw[i + 1], shift);
}

__device__ inline void load_quads(const uint8_t* at, uint32_t (&out)[8]) {
  const uint4 first = load_quad(at);
  const uint4 second = load_quad(at + 16);
  out[0] = first.x, out[1] = first.y, out[2] = first.z, out[3] = first.w;
  out[4] = second.x, out[5] = second.y, out[6] = second.z, out[7] = second.w;
}

__device__ inline float half_bits(uint32_t bits) {
  float value;
  asm("{ .reg .b16 h; cvt.u16.u32 h, %1; cvt.f32.f16 %0, h; }" : "=f"(value) : "r"(bits & 0xffff));
  return value;
}

__device__ inline float load_half(const uint8_t* at) {
  return half_bits(*reinterpret_cast<const uint16_t*>(at));
}

// Sixteen signed levels, looked up by the nibbles of a word: even nibbles are columns of the low
// half of a block, odd ones of the high half.
struct Levels {
  uint32_t word[4];  // level n is byte n % 4 of word n / 4
};

__device__ inline void look_up(const Levels& levels, uint32_t codes, int& low, int& high) {
  uint32_t value[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const uint32_t four = codes >> 16 * half;
    const uint32_t below_8 = __byte_perm(levels.word[0], levels.word[1], four & 0x7777);
    const uint32_t from_8 = __byte_perm(levels.word[2], levels.word[3], four & 0x7777);
    // Byte k comes from the second table where the nibble's top bit is set.
    value[half] = __byte_perm(below_8, from_8, 0x3210 | (four & 0x8888) >> 1);
  }
  low = static_cast<int>(__byte_perm(value[0], value[1], 0x6420));
  high = static_cast<int>(__byte_perm(value[0], value[1], 0x7531));
}

// A 6-bit scale and minimum of group g out of the 16-byte head of a q4_K or q5_K superblock.
template <class Out>
__device__ inline void six_bit_scales(const uint4& head, int g, Out& out) {
  const int shift = 8 * (g % 4);
  const uint32_t low_scale = head.y >> shift & 255;
  const uint32_t low_min = head.z >> shift & 255;
  const uint32_t high = head.w >> shift & 255;
  const uint32_t scale = g < 4 ? low_scale & 63 : (high & 15) | (low_scale >> 6) << 4;
  const uint32_t min = g < 4 ? low_min & 63 : high >> 4 | (low_min >> 6) << 4;
  out.scale[0] = __fmul_rn(half_bits(head.x), static_cast<float>(scale));
  out.min = __fmul_rn(half_bits(head.x >> 16), static_cast<float>(min));
}

struct Q8_0 {
  static constexpr int kBytes256 = 272;  // of 256 columns
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = false;
  __device__ static void load(const uint8_t* row, int j, WeightBlock& out) {
    const uint8_t* block = row + 34 * j;
    uint32_t words[8];
    load_words(block + 2, words);
    out.scale[0] = load_half(block);
#pragma unroll
    for (int i = 0; i < 8; ++i) out.q[i] = static_cast<int>(words[i]);
  }
  __device__ static void load_pair(const uint8_t* row, int j, int t, WeightPair& out) {
    const uint8_t* block = row + 34 * j;
    out.scale[0] = load_half(block);
    out.q[0] = static_cast<int>(load_halves(block + 2 + 4 * t));
    out.q[1] = static_cast<int>(load_halves(block + 18 + 4 * t));
  }
};

struct Q4_K {
  static constexpr int kBytes256 = 144;  // of 256 columns
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = true;
  __device__ static void load(const uint8_t* row, int j, WeightBlock& out) {
    const uint8_t* block = row + 144 * (j / 8);
    const int g = j % 8;
    uint32_t codes[8];
    load_quads(block + 16 + 32 * (g / 2), codes);
    six_bit_scales(load_quad(block), g, out);
    const int shift = 4 * (g % 2);
#pragma unroll
    for (int i = 0; i < 8; ++i) out.q[i] = static_cast<int>(codes[i] >> shift & 0x0f0f0f0f);
  }
  __device__ static void load_pair(const uint8_t* row, int j, int t, WeightPair& out) {
    const uint8_t* block = row + 144 * (j / 8);
    const int g = j % 8;
    six_bit_scales(load_quad(block), g, out);
#pragma unroll
    for (int i = 0; i < 2; ++i)
      out.q[i] = static_cast<int>(
          load_word(block + 16 + 32 * (g / 2) + 16 * i + 4 * t) >> 4 * (g % 2) & 0x0f0f0f0f);
  }
};

struct Q5_K {
  static constexpr int kBytes256 = 176;  // of 256 columns
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = true;
  __device__ static void load(const uint8_t* row, int j, WeightBlock& out) {
    const uint8_t* block = row + 176 * (j / 8);
    const int g = j % 8;
    uint32_t codes[8], fifths[8];
    load_quads(block + 48 + 32 * (g / 2), codes);
    load_quads(block + 16, fifths);
    six_bit_scales(load_quad(block), g, out);
    const int shift = 4 * (g % 2);
#pragma unroll
    for (int i = 0; i < 8; ++i)
      out.q[i] =
          static_cast<int>((codes[i] >> shift & 0x0f0f0f0f) | (fifths[i] >> g & 0x01010101) << 4);
  }
  __device__ static void load_pair(const uint8_t* row, int j, int t, WeightPair& out) {
    const uint8_t* block = row + 176 * (j / 8);
    const int g = j % 8;
    six_bit_scales(load_quad(block), g, out);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint32_t codes = load_word(block + 48 + 32 * (g / 2) + 16 * i + 4 * t);
      const uint32_t fifths = load_word(block + 16 + 16 * i + 4 * t);
      out.q[i] =
          static_cast<int>((codes >> 4 * (g % 2) & 0x0f0f0f0f) | (fifths >> g & 0x01010101) << 4);
    }
  }
};

struct Q6_K {
  static constexpr int kBytes256 = 210;  // of 256 columns
  static constexpr int kGroup = 16;
  static constexpr bool kHasMin = false;
  __device__ static void load(const uint8_t* row, int j, WeightBlock& out) {
    const uint8_t* block = row + 210 * (j / 8);
    const int g = j % 8;
    const int quarter = g % 4;  // of the superblock's half
    uint32_t low[8], high[8];
    load_words(block + 64 * (g / 4) + 32 * (quarter % 2), low);
    load_words(block + 128 + 32 * (g / 4), high);
    const float d = load_half(block + 208);
#pragma unroll
    for (int i = 0; i < 2; ++i)
      out.scale[i] = __fmul_rn(d, static_cast<float>(static_cast<int8_t>(block[192 + 2 * g + i])));
#pragma unroll
    for (int i = 0; i < 8; ++i)
      out.q[i] = static_cast<int>(__vsub4(
          (low[i] >> 4 * (quarter / 2) & 0x0f0f0f0f) | (high[i] >> 2 * quarter & 0x03030303) << 4,
          0x20202020));
  }
  __device__ static void load_pair(const uint8_t* row, int j, int t, WeightPair& out) {
    const uint8_t* block = row + 210 * (j / 8);
    const int g = j % 8;
    const int quarter = g % 4;
    const float d = load_half(block + 208);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint32_t low = load_halves(block + 64 * (g / 4) + 32 * (quarter % 2) + 16 * i + 4 * t);
      const uint32_t high = load_halves(block + 128 + 32 * (g / 4) + 16 * i + 4 * t);
      out.scale[i] = __fmul_rn(d, static_cast<float>(static_cast<int8_t>(block[192 + 2 * g + i])));
      out.q[i] = static_cast<int>(
          __vsub4((low >> 4 * (quarter / 2) & 0x0f0f0f0f) | (high >> 2 * quarter & 0x03030303) << 4,
                  0x20202020));
    }
  }
};

struct IQ3_XXS {
  static constexpr int kBytes256 = 98;  // of 256 columns
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = false;
  __device__ static float scale(const uint8_t* block, uint32_t word) {
    return __fmul_rn(__fmul_rn(load_half(block), 0.5f + static_cast<float>(word >> 28)), 0.5f);
  }
  // Columns 4 run .. 4 run + 3.
  __device__ static int look_up_run(uint32_t index, uint32_t word, int run) {
    uint32_t signs = word >> 7 * (run / 2) & 127;
    signs |= (__popc(signs) & 1) << 7;  // the eighth makes the number of minuses even
    const uint32_t magnitude = __ldg(&kIq3XxsWords[index]);
    // Four sign bits, one to each byte, then widened to the whole byte.
    const uint32_t minus = ((signs >> 4 * (run % 2) & 15) * 0x00204081u & 0x01010101u) * 255u;
    return static_cast<int>(__vsub4(magnitude ^ minus, minus));
  }
  __device__ static void load(const uint8_t* row, int j, WeightBlock& out) {
    const uint8_t* block = row + 98 * (j / 8);
    const int g = j % 8;
    uint32_t indices[2], word[1];
    load_words(block + 2 + 8 * g, indices);
    load_words(block + 66 + 4 * g, word);
    out.scale[0] = scale(block, word[0]);
#pragma unroll
    for (int run = 0; run < 8; ++run)
      out.q[run] = look_up_run(indices[run / 4] >> 8 * (run % 4) & 255, word[0], run);
  }
  __device__ static void load_pair(const uint8_t* row, int j, int t, WeightPair& out) {
    const uint8_t* block = row + 98 * (j / 8);
    const int g = j % 8;
    const uint32_t word = load_halves(block + 66 + 4 * g);
    out.scale[0] = scale(block, word);
#pragma unroll
    for (int i = 0; i < 2; ++i)
      out.q[i] = look_up_run(block[2 + 8 * g + 4 * i + t], word, 4 * i + t);
  }
};

struct IQ4_XS {
  static constexpr int kBytes256 = 136;  // of 256 columns
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = false;
  __device__ static Levels levels() { return {{0xbfad9881, 0xf6eaddcf, 0x26190d01, 0x71594535}}; }
  __device__ static float scale(const uint8_t* block, int g) {
    const uint2 head = *reinterpret_cast<const uint2*>(block);
    const uint32_t high = head.x >> 16 >> 2 * g & 3;
    const uint32_t low = head.y >> 4 * g & 15;
    return __fmul_rn(half_bits(head.x), static_cast<float>(static_cast<int>(low | high << 4) - 32));
  }
  __device__ static void load(const uint8_t* row, int j, WeightBlock& out) {
    const uint8_t* block = row + 136 * (j / 8);
    const int g = j % 8;
    const auto* at = reinterpret_cast<const uint2*>(block + 8 + 16 * g);
    const uint2 first = at[0], second = at[1];
    out.scale[0] = scale(block, g);
    look_up(levels(), first.x, out.q[0], out.q[4]);
    look_up(levels(), first.y, out.q[1], out.q[5]);
    look_up(levels(), second.x, out.q[2], out.q[6]);
    look_up(levels(), second.y, out.q[3], out.q[7]);
  }
  __device__ static void load_pair(const uint8_t* row, int j, int t, WeightPair& out) {
    const uint8_t* block = row + 136 * (j / 8);
    const int g = j % 8;
    out.scale[0] = scale(block, g);
    look_up(levels(), load_word(block + 8 + 16 * g + 4 * t), out.q[0], out.q[1]);
  }
};

struct MXFP4 {
  static constexpr int kBytes256 = 136;  // of 256 columns
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = false;
  __device__ static Levels levels() { return {{0x03020100, 0x0c080604, 0xfdfeff00, 0xf4f8fafc}}; }
  // Half of 2^(e - 127), as the levels are doubled.
  __device__ static float scale(const uint8_t* block) {
    const uint32_t e = block[0];
    return __uint_as_float(e >= 2 ? (e - 1) << 23 : 0x00200000u << e);
  }
  __device__ static void load(const uint8_t* row, int j, WeightBlock& out) {
    const uint8_t* block = row + 17 * j;
    uint32_t codes[4];
    load_words(block + 1, codes);
    out.scale[0] = scale(block);
#pragma unroll
    for (int i = 0; i < 4; ++i) look_up(levels(), codes[i], out.q[i], out.q[4 + i]);
  }
  __device__ static void load_pair(const uint8_t* row, int j, int t, WeightPair& out) {
    const uint8_t* block = row + 17 * j;
    uint32_t codes[1];
    load_words(block + 1 + 4 * t, codes);
    out.scale[0] = scale(block);
    look_up(levels(), codes[0], out.q[0], out.q[1]);
  }
};

}  // namespace shoal::kernels::cuda
