// Device form of kernels/math.h: the same sequence of roundings. Sources here are compiled with
// -fmad=false and without -ftz, so every operation below is rounded once and subnormals live.
#pragma once
#include <cstdint>

#include "kernels/lanes.h"
#include "kernels/math.h"

namespace shoal::kernels::cuda {

__device__ inline float exp_f32(float x) {
  // Comparisons, not fminf: NaN must stay NaN.
  x = x < kExpMin ? kExpMin : x;
  x = x > kExpMax ? kExpMax : x;
  const float shifted = __fmaf_rn(x, kLog2E, kRoundMagic);
  const float n = shifted - kRoundMagic;
  float r = __fmaf_rn(-n, kLn2High, x);
  r = __fmaf_rn(-n, kLn2Low, r);
  constexpr float c0 = kExpTaylor[0], c1 = kExpTaylor[1], c2 = kExpTaylor[2], c3 = kExpTaylor[3];
  constexpr float c4 = kExpTaylor[4], c5 = kExpTaylor[5], c6 = kExpTaylor[6], c7 = kExpTaylor[7];
  float p = __fmaf_rn(c0, r, c1);
  p = __fmaf_rn(p, r, c2);
  p = __fmaf_rn(p, r, c3);
  p = __fmaf_rn(p, r, c4);
  p = __fmaf_rn(p, r, c5);
  p = __fmaf_rn(p, r, c6);
  p = __fmaf_rn(p, r, c7);
  const uint32_t exponent = __float_as_uint(shifted) - 0x4b400000u;
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(exponent) >> 1);
  const float first = __uint_as_float((half + 127u) << 23);
  const float second = __uint_as_float((exponent - half + 127u) << 23);
  return (p * first) * second;
}
static_assert(std::bit_cast<uint32_t>(kRoundMagic) == 0x4b400000u);

__device__ inline float sigmoid(float x) { return __fdiv_rn(1.0f, 1.0f + exp_f32(-x)); }

__device__ inline float silu(float x) { return __fdiv_rn(x, 1.0f + exp_f32(-x)); }

// CUDA's double exp and log1p differ from libm's by at most an ulp of double each; after the
// rounding to f32 a difference is left only where a double lies within that of a rounding
// boundary: about once in 2^27 calls, and then by one ulp.
__device__ inline float softplus(float x) {
  if (x > 20.0f) return x;
  return static_cast<float>(log1p(exp(static_cast<double>(x))));
}

inline constexpr unsigned kWholeWarp = 0xffffffffu;

// The tree ((l0 + l1) + (l2 + l3)) + ((l4 + l5) + (l6 + l7)) of eight neighbouring threads, each
// with one lane; all get the result. Addition commutes, so both sides of a swap round alike.
__device__ inline float lane_tree(float lane) {
  lane = lane + __shfl_xor_sync(kWholeWarp, lane, 1);
  lane = lane + __shfl_xor_sync(kWholeWarp, lane, 2);
  return lane + __shfl_xor_sync(kWholeWarp, lane, 4);
}

// Every thread of a warp gets the dot; threads of equal index mod 8 work alike.
__device__ inline float lane_dot(const float* a, const float* b, int count) {
  float lane = 0.0f;
#pragma unroll 8
  for (int k = threadIdx.x % kLanes; k < count; k += kLanes) lane = __fmaf_rn(a[k], b[k], lane);
  return lane_tree(lane);
}

__device__ inline float lane_sum(const float* a, int count) {
  float lane = 0.0f;
#pragma unroll 8
  for (int k = threadIdx.x % kLanes; k < count; k += kLanes) lane = lane + a[k];
  return lane_tree(lane);
}

// Exact in any order.
__device__ inline float warp_max(float value) {
  for (int step = 16; step > 0; step /= 2) {
    const float other = __shfl_xor_sync(kWholeWarp, value, step);
    value = other > value ? other : value;
  }
  return value;
}

}  // namespace shoal::kernels::cuda
