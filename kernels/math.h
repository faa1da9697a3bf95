// exp and what stands on it, for f32, as one fixed sequence of roundings: multiply, fused
// multiply-add, division and moves of bits, nothing from libm that a machine could round
// differently. kernels/cpu/math_avx2.h is the same sequence eight at a time, with the same bits.
//
// exp_f32: x = n ln2 + r with |r| <= ln2/2 (ln2 in two parts, so r is good to about 2^-33), e^r by
// its Taylor polynomial of degree 7, then times 2^n in two exact halves.
// Error below 1 ulp over the normal range: the omitted r^8/8! is below 5.2e-9 (0.09 ulp), the last
// fma rounds by 0.5 ulp, the roundings before it reach the result scaled by |r| <= 0.35.
// Subnormal results are rounded once more. Saturates to 0 and +inf; NaN stays NaN.
//
// All functions are static: some sources are compiled for AVX2, and a shared copy of an inline
// function could come from one of those on a machine without it.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace shoal::kernels {

// Beyond these arguments the result is 0 or +inf, and n still fits the two scale halves.
inline constexpr float kExpMin = -110.0f;
inline constexpr float kExpMax = 110.0f;
inline constexpr float kLog2E = 0x1.715476p+0f;
inline constexpr float kLn2High = 0x1.62e4p-1f;  // 15 bits: n * kLn2High is exact
inline constexpr float kLn2Low = 0x1.7f7d1cp-20f;
// 1.5 * 2^23: adding it leaves the nearest integer in the low bits of the mantissa.
inline constexpr float kRoundMagic = 12582912.0f;
inline constexpr float kExpTaylor[8] = {
    1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 1.0f / 2, 1.0f, 1.0f};

[[maybe_unused]] static float exp_f32(float x) {
  x = x < kExpMin ? kExpMin : x;
  x = x > kExpMax ? kExpMax : x;
  const float shifted = std::fma(x, kLog2E, kRoundMagic);
  const float n = shifted - kRoundMagic;
  float r = std::fma(-n, kLn2High, x);
  r = std::fma(-n, kLn2Low, r);
  float p = kExpTaylor[0];
  for (int i = 1; i < 8; ++i) p = std::fma(p, r, kExpTaylor[i]);
  // Unsigned, because a NaN leaves any bits here.
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRoundMagic);
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(exponent) >> 1);
  const float first = std::bit_cast<float>((half + 127u) << 23);
  const float second = std::bit_cast<float>((exponent - half + 127u) << 23);
  return (p * first) * second;
}

// 1 / (1 + e^-x)
[[maybe_unused]] static float sigmoid(float x) { return 1.0f / (1.0f + exp_f32(-x)); }

// x / (1 + e^-x)
[[maybe_unused]] static float silu(float x) { return x / (1.0f + exp_f32(-x)); }

// ln(1 + e^x), x itself above 20. In double by libm and rounded once: it runs once per V head and
// token, and a double's last bit almost never reaches the rounded f32.
[[maybe_unused]] static float softplus(float x) {
  if (x > 20.0f) return x;
  return static_cast<float>(std::log1p(std::exp(static_cast<double>(x))));
}

}  // namespace shoal::kernels
