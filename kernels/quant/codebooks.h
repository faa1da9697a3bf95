// Tables behind the code-book block types.
#pragma once
#include <array>
#include <cstdint>

namespace shoal::kernels {

// The 16 non-uniform 4-bit levels of the IQ4 types.
inline constexpr std::array<int8_t, 16> kIq4Levels = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// 256 entries of four magnitudes, entry k's number i in byte i (little-endian).
extern const std::array<uint32_t, 256> kIq3XxsGrid;

// The same grid plane by plane: number i of all entries, as tables for byte look-ups.
struct alignas(64) Iq3XxsPlanes {
  std::array<std::array<uint8_t, 256>, 4> number;
};
extern const Iq3XxsPlanes kIq3XxsPlanes;

// Signs of eight columns by 7-bit index: byte i is 1 or -1 (0xff). The eighth sign makes the number
// of minuses even.
extern const std::array<uint64_t, 128> kEvenSigns;

}  // namespace shoal::kernels
