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

}  // namespace shoal::kernels
