// One product of the tensor cores and its operands, for tiles (tile_product.cuh): exact integer
// sums of 32 columns, or of 16, for 16 weight rows and 8 tokens, as floats.
//
// int16 activations go as a signed high and an unsigned low byte, sum = 256 * high + low. The
// tensor cores start at the bits of 1.5 * 2^23 instead of 0, which makes their results floats of
// that much plus the sum: |high| <= 2^19 and |low| < 2^20 leave the exponent alone. So the
// conversion to float is one exact operation for int8 and, for int16, an exact one and one that
// rounds as the conversion of the whole sum would.
//
// Places in a product (g = thread / 4, t = thread % 4 inside a warp): the thread holds weight rows
// g and g + 8 and token g, words t and 4 + t of their blocks, and gets the sums of those rows with
// tokens 2 t and 2 t + 1.
#pragma once
#include "kernels/cuda/row_product.cuh"

namespace shoal::kernels::cuda {

// Columns that lie together in shared memory: a block for each lane.
inline constexpr int kStageColumns = kLanes * static_cast<int>(kActivationBlock);

inline constexpr uint32_t kSumBits = 0x4b400000;  // of kSumBase
inline constexpr float kSumBase = 12582912.0f;

// Four 8 x 16 byte matrices, rows named by the threads in turn: the first operand of a product.
__device__ inline void load_operand(const uint8_t* shared, uint32_t (&to)[4]) {
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(from)
               : "memory");
}

using TileBits = uint32_t[4];  // floats: kSumBase + sum
using TileLanes = float[4];    // [0], [1]: row g, tokens 2 t and 2 t + 1; [2], [3]: row g + 8

template <bool kUnsigned>
__device__ inline void multiply_block(const uint32_t (&w)[4], const uint32_t (&x)[2], TileBits& d) {
  if constexpr (kUnsigned)
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},"
        "{%10,%10,%10,%10};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
        : "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]), "r"(x[0]), "r"(x[1]), "r"(kSumBits));
  else
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},"
        "{%10,%10,%10,%10};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
        : "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]), "r"(x[0]), "r"(x[1]), "r"(kSumBits));
}

// Sixteen columns, for types with a scale per 16.
template <bool kUnsigned>
__device__ inline void multiply_half(uint32_t first, uint32_t second, uint32_t x, TileBits& d) {
  if constexpr (kUnsigned)
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.u8.s32 {%0,%1,%2,%3},{%4,%5},{%6},"
        "{%7,%7,%7,%7};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
        : "r"(first), "r"(second), "r"(x), "r"(kSumBits));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5},{%6},"
        "{%7,%7,%7,%7};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
        : "r"(first), "r"(second), "r"(x), "r"(kSumBits));
}

// One token's share of a block: two words of four columns a plane.
template <class Rows>
struct TokenWords;

template <>
struct TokenWords<Int8Rows> {
  static constexpr int kStride = kStageColumns + 16;  // bytes of a token: no bank conflicts
  uint32_t low[2];

  // Of thread t; `block` is a token's.
  __device__ void load(const uint8_t* block, int t) {
    low[0] = *reinterpret_cast<const uint32_t*>(block + 4 * t);
    low[1] = *reinterpret_cast<const uint32_t*>(block + 16 + 4 * t);
  }
  __device__ void sums(const uint32_t (&w)[4], float (&sum)[4]) const {
    TileBits bits;
    multiply_block<false>(w, low, bits);
    to_floats(bits, sum);
  }
  __device__ void half_sums(const uint32_t (&w)[4], int half, float (&sum)[4]) const {
    TileBits bits;
    multiply_half<false>(w[2 * half], w[2 * half + 1], low[half], bits);
    to_floats(bits, sum);
  }

 private:
  __device__ static void to_floats(const TileBits& bits, float (&sum)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] = __uint_as_float(bits[i]) - kSumBase;
  }
};

template <>
struct TokenWords<Int16Rows> {
  static constexpr int kStride = 2 * kStageColumns + 32;
  uint32_t low[2], high[2];

  __device__ void load(const uint8_t* block, int t) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const auto four = *reinterpret_cast<const uint2*>(block + 32 * half + 8 * t);
      low[half] = __byte_perm(four.x, four.y, 0x6420);
      high[half] = __byte_perm(four.x, four.y, 0x7531);
    }
  }
  __device__ void sums(const uint32_t (&w)[4], float (&sum)[4]) const {
    TileBits first, second;
    multiply_block<false>(w, high, first);
    multiply_block<true>(w, low, second);
    to_floats(first, second, sum);
  }
  __device__ void half_sums(const uint32_t (&w)[4], int half, float (&sum)[4]) const {
    TileBits first, second;
    multiply_half<false>(w[2 * half], w[2 * half + 1], high[half], first);
    multiply_half<true>(w[2 * half], w[2 * half + 1], low[half], second);
    to_floats(first, second, sum);
  }

 private:
  // 256 (base + high) - 257 base = 256 high - base is a multiple of 256 below 2^28: exact.
  __device__ static void to_floats(const TileBits& first, const TileBits& second, float (&sum)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      sum[i] = __fmaf_rn(256.0f, __uint_as_float(first[i]), -257.0f * kSumBase) +
               __uint_as_float(second[i]);
  }
};

}  // namespace shoal::kernels::cuda
