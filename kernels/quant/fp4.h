// 4-bit floats (1 sign, 2 exponent, 1 fraction bit) as integers: twice their value, so that all
// are whole. The scale that goes with them is halved to make up for it.
#pragma once
#include <array>
#include <bit>
#include <cstdint>

namespace shoal::kernels {

// Code 8, "minus zero", is a plain 0.
inline constexpr std::array<int8_t, 16> kDoubledFp4 = {
    0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// 2^(e - 128). The two smallest are subnormal, so flushing to zero must stay off.
inline float half_of_e8m0(uint8_t e) {
  const uint32_t bits = e >= 2 ? static_cast<uint32_t>(e - 1) << 23 : 0x00200000u << e;
  return std::bit_cast<float>(bits);
}

// Half of an unsigned 8-bit float with 4 exponent bits (bias 7) and 3 fraction bits. The code that
// would be NaN counts as 0; the top bit, which writers leave clear, is ignored.
constexpr float half_of_ue4m3(uint8_t code) {
  const uint32_t exponent = code >> 3 & 15;
  const uint32_t fraction = code & 7;
  if (code == 0x7f) return 0;
  if (exponent == 0) return static_cast<float>(fraction) * 0x1p-10f;
  return std::bit_cast<float>((exponent + 119) << 23 | fraction << 20);
}

// The same for all codes: kernels look scales up.
inline constexpr std::array<float, 256> kHalfOfUe4m3 = [] {
  std::array<float, 256> out{};
  for (uint32_t code = 0; code < 256; ++code) out[code] = half_of_ue4m3(static_cast<uint8_t>(code));
  return out;
}();

}  // namespace shoal::kernels
