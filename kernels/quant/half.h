// 16-bit floats to f32, exactly, NaN payloads aside. Bytes may lie at any address.
// Static for the reason given in kernels/math.h.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace shoal::kernels {

static inline float f32_from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 31;
  const uint32_t fraction = bits & 1023;
  if (exponent == 0) {
    // Subnormal: fraction * 2^-24, a product of two exact floats.
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t wide_exponent = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13);
}

static inline float f32_from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

template <class T>
static inline T load_bytes(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

static inline float load_f16(const std::byte* at) { return f32_from_f16(load_bytes<uint16_t>(at)); }

}  // namespace shoal::kernels
