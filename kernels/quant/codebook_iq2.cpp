#include "kernels/quant/codebooks.h"
#include "kernels/quant/grid_digits.h"

namespace shoal::kernels {

constexpr std::array<uint64_t, 256> kIq2XxsGrid = expand_grid<8>(kIq2XxsDigits, kIq2Levels);
constexpr std::array<uint64_t, 512> kIq2XsGrid = expand_grid<8>(kIq2XsDigits, kIq2Levels);
constexpr std::array<uint64_t, 1024> kIq2SGrid = expand_grid<8>(kIq2SDigits, kIq2Levels);

}  // namespace shoal::kernels
