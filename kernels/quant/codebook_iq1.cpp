#include "kernels/quant/codebooks.h"
#include "kernels/quant/grid_digits.h"

namespace shoal::kernels {

constexpr std::array<uint64_t, 2048> kIq1Grid = expand_grid<8>(kIq1Digits, kIq1Levels);

}  // namespace shoal::kernels
