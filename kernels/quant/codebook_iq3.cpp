#include "kernels/quant/codebooks.h"
#include "kernels/quant/grid_digits.h"

namespace shoal::kernels {
namespace {

template <std::size_t kEntries>
constexpr std::array<uint32_t, kEntries> narrow_grid(const std::array<uint64_t, kEntries>& wide) {
  std::array<uint32_t, kEntries> out{};
  for (std::size_t k = 0; k < kEntries; ++k) out[k] = static_cast<uint32_t>(wide[k]);
  return out;
}

constexpr Iq3XxsPlanes split_grid() {
  Iq3XxsPlanes planes{};
  for (std::size_t k = 0; k < 256; ++k)
    for (std::size_t i = 0; i < 4; ++i)
      planes.number[i][k] = static_cast<uint8_t>(kIq3XxsLevels[kIq3XxsDigits[k] >> 3 * i & 7]);
  return planes;
}

}  // namespace

constexpr std::array<uint32_t, 256> kIq3XxsGrid =
    narrow_grid(expand_grid<4>(kIq3XxsDigits, kIq3XxsLevels));
constexpr Iq3XxsPlanes kIq3XxsPlanes = split_grid();
constexpr std::array<uint32_t, 512> kIq3SGrid =
    narrow_grid(expand_grid<4>(kIq3SDigits, kIq3SLevels));

}  // namespace shoal::kernels
