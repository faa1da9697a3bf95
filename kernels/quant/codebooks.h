// Tables behind the code-book block types. Grid entries hold a number for each of four or eight
// consecutive columns, the first in the lowest byte.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace shoal::kernels {

// The 16 non-uniform 4-bit levels of the IQ4 types.
inline constexpr std::array<int8_t, 16> kIq4Levels = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// Signed numbers -1, 0, 1 (of IQ1_S and IQ1_M).
extern const std::array<uint64_t, 2048> kIq1Grid;
// Magnitudes.
extern const std::array<uint64_t, 256> kIq2XxsGrid;
extern const std::array<uint64_t, 512> kIq2XsGrid;
extern const std::array<uint64_t, 1024> kIq2SGrid;
extern const std::array<uint32_t, 256> kIq3XxsGrid;
extern const std::array<uint32_t, 512> kIq3SGrid;

// kIq3XxsGrid plane by plane: number i of all entries, as tables for byte look-ups.
struct alignas(64) Iq3XxsPlanes {
  std::array<std::array<uint8_t, 256>, 4> number;
};
extern const Iq3XxsPlanes kIq3XxsPlanes;

// Sign masks of eight columns by 7-bit index, bit i set for a minus in column i. The eighth makes
// the number of minuses even.
constexpr uint32_t even_sign_mask(uint32_t index) {
  uint32_t parity = index ^ index >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return index | (parity & 1) << 7;
}

// The compact form in which the sources keep grids: an entry's numbers as digits that pick levels,
// the lowest digit first.
template <int kColumns, std::size_t kEntries, class Levels>
constexpr std::array<uint64_t, kEntries> expand_grid(const std::array<uint16_t, kEntries>& digits,
                                                     const Levels& levels) {
  std::array<uint64_t, kEntries> grid{};
  for (std::size_t k = 0; k < kEntries; ++k) {
    std::size_t rest = digits[k];
    for (int i = 0; i < kColumns; ++i) {
      grid[k] |= static_cast<uint64_t>(levels[rest % levels.size()]) << 8 * i;
      rest /= levels.size();
    }
  }
  return grid;
}

}  // namespace shoal::kernels
