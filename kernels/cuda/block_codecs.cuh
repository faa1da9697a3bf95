// One struct a block type, on the split layout (kernels/quant/split_blocks.h): fetch() loads what
// a 32-block of a row needs into registers, unpack() makes packed integers and scales of it, as the
// unpack functions of kernels/quant do. Apart, so that loads can be under way long before they are
// used. `bodies` and `heads` are those of the row, in device or in shared memory.
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

template <class T>
__device__ inline T load_at(const uint8_t* at) {
  if constexpr (sizeof(T) == 16) {
    uint4 out;
    asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out.x), "=r"(out.y), "=r"(out.z), "=r"(out.w)
                 : "l"(at));
    return out;
  } else if constexpr (sizeof(T) == 8) {
    uint2 out;
    asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(out.x), "=r"(out.y) : "l"(at));
    return out;
  } else if constexpr (sizeof(T) == 4) {
    T out;
    asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(out) : "l"(at));
    return out;
  } else if constexpr (sizeof(T) == 2) {
    uint16_t out;
    asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(out) : "l"(at));
    return out;
  } else {
    uint32_t out;
    asm volatile("ld.global.nc.u8 %0, [%1];" : "=r"(out) : "l"(at));
    return static_cast<T>(out);
  }
}

__device__ inline void words_of(const uint4& first, const uint4& second, uint32_t (&out)[8]) {
  out[0] = first.x, out[1] = first.y, out[2] = first.z, out[3] = first.w;
  out[4] = second.x, out[5] = second.y, out[6] = second.z, out[7] = second.w;
}

__device__ inline float half_bits(uint32_t bits) {
  float value;
  asm("{ .reg .b16 h; cvt.u16.u32 h, %1; cvt.f32.f16 %0, h; }" : "=f"(value) : "r"(bits & 0xffff));
  return value;
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

// Rows of a split matrix as kernels see them.
struct SplitRow {
  const uint8_t* bodies;
  const uint8_t* heads;
};

struct Q8_0 {
  static constexpr int kBody256 = 256, kHead256 = 16;  // bytes of 256 columns
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = false;
  struct Raw {
    uint4 body[2];
    uint16_t d;
  };
  template <class Row>
  __device__ static void fetch(const Row& row, int j, Raw& raw) {
    raw.body[0] = load_at<uint4>(row.bodies + 32 * j);
    raw.body[1] = load_at<uint4>(row.bodies + 32 * j + 16);
    raw.d = load_at<uint16_t>(row.heads + 2 * j);
  }
  __device__ static void unpack(const Raw& raw, int, WeightBlock& out) {
    uint32_t words[8];
    words_of(raw.body[0], raw.body[1], words);
    out.scale[0] = half_bits(raw.d);
#pragma unroll
    for (int i = 0; i < 8; ++i) out.q[i] = static_cast<int>(words[i]);
  }
};

struct Q4_K {
  static constexpr int kBody256 = 128, kHead256 = 16;
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = true;
  struct Raw {
    uint4 codes[2], head;
  };
  template <class Row>
  __device__ static void fetch(const Row& row, int j, Raw& raw) {
    const auto body = row.bodies + 128 * (j / 8) + 32 * (j % 8 / 2);
    raw.codes[0] = load_at<uint4>(body);
    raw.codes[1] = load_at<uint4>(body + 16);
    raw.head = load_at<uint4>(row.heads + 16 * (j / 8));
  }
  __device__ static void unpack(const Raw& raw, int j, WeightBlock& out) {
    uint32_t codes[8];
    words_of(raw.codes[0], raw.codes[1], codes);
    six_bit_scales(raw.head, j % 8, out);
    const int shift = 4 * (j % 2);
#pragma unroll
    for (int i = 0; i < 8; ++i) out.q[i] = static_cast<int>(codes[i] >> shift & 0x0f0f0f0f);
  }
};

struct Q5_K {
  static constexpr int kBody256 = 160, kHead256 = 16;
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = true;
  struct Raw {
    uint4 codes[2], fifths[2], head;
  };
  template <class Row>
  __device__ static void fetch(const Row& row, int j, Raw& raw) {
    const auto body = row.bodies + 160 * (j / 8);
    const auto codes = body + 32 + 32 * (j % 8 / 2);
    raw.codes[0] = load_at<uint4>(codes);
    raw.codes[1] = load_at<uint4>(codes + 16);
    raw.fifths[0] = load_at<uint4>(body);
    raw.fifths[1] = load_at<uint4>(body + 16);
    raw.head = load_at<uint4>(row.heads + 16 * (j / 8));
  }
  __device__ static void unpack(const Raw& raw, int j, WeightBlock& out) {
    const int g = j % 8;
    uint32_t codes[8], fifths[8];
    words_of(raw.codes[0], raw.codes[1], codes);
    words_of(raw.fifths[0], raw.fifths[1], fifths);
    six_bit_scales(raw.head, g, out);
    const int shift = 4 * (g % 2);
#pragma unroll
    for (int i = 0; i < 8; ++i)
      out.q[i] =
          static_cast<int>((codes[i] >> shift & 0x0f0f0f0f) | (fifths[i] >> g & 0x01010101) << 4);
  }
};

struct Q6_K {
  static constexpr int kBody256 = 208, kHead256 = 2;
  static constexpr int kGroup = 16;
  static constexpr bool kHasMin = false;
  struct Raw {
    uint4 low[2], high[2];
    uint16_t scales, d;
  };
  template <class Row>
  __device__ static void fetch(const Row& row, int j, Raw& raw) {
    const auto body = row.bodies + 208 * (j / 8);
    const int g = j % 8;
    const auto low = body + 64 * (g / 4) + 32 * (g % 2);
    const auto high = body + 128 + 32 * (g / 4);
    raw.low[0] = load_at<uint4>(low);
    raw.low[1] = load_at<uint4>(low + 16);
    raw.high[0] = load_at<uint4>(high);
    raw.high[1] = load_at<uint4>(high + 16);
    raw.scales = load_at<uint16_t>(body + 192 + 2 * g);
    raw.d = load_at<uint16_t>(row.heads + 2 * (j / 8));
  }
  __device__ static uint32_t join(uint32_t low, uint32_t high, int quarter) {
    return __vsub4((low >> 4 * (quarter / 2) & 0x0f0f0f0f) | (high >> 2 * quarter & 0x03030303)
                                                                 << 4,
                   0x20202020);
  }
  __device__ static float scale(float d, uint32_t byte) {
    return __fmul_rn(d, static_cast<float>(static_cast<int8_t>(byte & 255)));
  }
  __device__ static void unpack(const Raw& raw, int j, WeightBlock& out) {
    uint32_t low[8], high[8];
    words_of(raw.low[0], raw.low[1], low);
    words_of(raw.high[0], raw.high[1], high);
    const float d = half_bits(raw.d);
    out.scale[0] = scale(d, raw.scales);
    out.scale[1] = scale(d, raw.scales >> 8);
#pragma unroll
    for (int i = 0; i < 8; ++i) out.q[i] = static_cast<int>(join(low[i], high[i], j % 4));
  }
};

struct IQ3_XXS {
  static constexpr int kBody256 = 96, kHead256 = 2;
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = false;
  struct Raw {
    uint2 indices;
    uint32_t word;
    uint16_t d;
  };
  __device__ static float scale(uint32_t d, uint32_t word) {
    return __fmul_rn(__fmul_rn(half_bits(d), 0.5f + static_cast<float>(word >> 28)), 0.5f);
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
  template <class Row>
  __device__ static void fetch(const Row& row, int j, Raw& raw) {
    const auto body = row.bodies + 96 * (j / 8);
    raw.indices = load_at<uint2>(body + 8 * (j % 8));
    raw.word = load_at<uint32_t>(body + 64 + 4 * (j % 8));
    raw.d = load_at<uint16_t>(row.heads + 2 * (j / 8));
  }
  __device__ static void unpack(const Raw& raw, int, WeightBlock& out) {
    out.scale[0] = scale(raw.d, raw.word);
#pragma unroll
    for (int run = 0; run < 8; ++run) {
      const uint32_t indices = run < 4 ? raw.indices.x : raw.indices.y;
      out.q[run] = look_up_run(indices >> 8 * (run % 4) & 255, raw.word, run);
    }
  }
};

struct IQ4_XS {
  static constexpr int kBody256 = 128, kHead256 = 8;
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = false;
  struct Raw {
    uint4 codes;
    uint2 head;
  };
  __device__ static Levels levels() { return {{0xbfad9881, 0xf6eaddcf, 0x26190d01, 0x71594535}}; }
  __device__ static float scale(const uint2& head, int g) {
    const uint32_t high = head.x >> 16 >> 2 * g & 3;
    const uint32_t low = head.y >> 4 * g & 15;
    return __fmul_rn(half_bits(head.x), static_cast<float>(static_cast<int>(low | high << 4) - 32));
  }
  template <class Row>
  __device__ static void fetch(const Row& row, int j, Raw& raw) {
    raw.codes = load_at<uint4>(row.bodies + 16 * j);
    raw.head = load_at<uint2>(row.heads + 8 * (j / 8));
  }
  __device__ static void unpack(const Raw& raw, int j, WeightBlock& out) {
    out.scale[0] = scale(raw.head, j % 8);
    look_up(levels(), raw.codes.x, out.q[0], out.q[4]);
    look_up(levels(), raw.codes.y, out.q[1], out.q[5]);
    look_up(levels(), raw.codes.z, out.q[2], out.q[6]);
    look_up(levels(), raw.codes.w, out.q[3], out.q[7]);
  }
};

struct MXFP4 {
  static constexpr int kBody256 = 128, kHead256 = 8;
  static constexpr int kGroup = 32;
  static constexpr bool kHasMin = false;
  struct Raw {
    uint4 codes;
    uint8_t e;
  };
  __device__ static Levels levels() { return {{0x03020100, 0x0c080604, 0xfdfeff00, 0xf4f8fafc}}; }
  // Half of 2^(e - 127), as the levels are doubled.
  __device__ static float scale(uint32_t e) {
    return __uint_as_float(e >= 2 ? (e - 1) << 23 : 0x00200000u << e);
  }
  template <class Row>
  __device__ static void fetch(const Row& row, int j, Raw& raw) {
    raw.codes = load_at<uint4>(row.bodies + 16 * j);
    raw.e = load_at<uint8_t>(row.heads + j);
  }
  __device__ static void unpack(const Raw& raw, int, WeightBlock& out) {
    out.scale[0] = scale(raw.e);
    look_up(levels(), raw.codes.x, out.q[0], out.q[4]);
    look_up(levels(), raw.codes.y, out.q[1], out.q[5]);
    look_up(levels(), raw.codes.z, out.q[2], out.q[6]);
    look_up(levels(), raw.codes.w, out.q[3], out.q[7]);
  }
};

}  // namespace shoal::kernels::cuda
