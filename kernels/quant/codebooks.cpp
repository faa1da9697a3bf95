#include "kernels/quant/codebooks.h"

#include <bit>
#include <cstddef>

namespace shoal::kernels {
namespace {

// The eight magnitudes that occur in the grid, and the grid itself as four octal digits an entry:
// the last digit is the level of the first column.
constexpr std::array<uint32_t, 8> kLevels = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr std::array<uint16_t, 256> kGridDigits = {
    // clang-format off
    00000, 00002, 00004, 00011, 00013, 00017, 00020, 00022, 00031, 00042, 00073, 00075,
    00101, 00103, 00110, 00112, 00121, 00125, 00130, 00132, 00141, 00154, 00170, 00200,
    00202, 00204, 00211, 00220, 00222, 00231, 00233, 00237, 00251, 00257, 00275, 00301,
    00307, 00310, 00312, 00325, 00370, 00413, 00437, 00444, 00457, 00473, 00475, 00501,
    00507, 00532, 00552, 00635, 00664, 00710, 00714, 00716, 00743, 00761, 01001, 01003,
    01010, 01012, 01021, 01023, 01030, 01032, 01034, 01047, 01050, 01100, 01102, 01111,
    01120, 01122, 01201, 01203, 01210, 01212, 01221, 01230, 01272, 01300, 01302, 01320,
    01331, 01346, 01366, 01401, 01405, 01450, 01520, 01524, 01546, 01571, 01605, 01722,
    01740, 02000, 02002, 02011, 02013, 02020, 02022, 02026, 02031, 02042, 02101, 02103,
    02105, 02110, 02112, 02121, 02130, 02163, 02167, 02170, 02200, 02202, 02211, 02217,
    02220, 02222, 02237, 02240, 02255, 02301, 02310, 02314, 02370, 02374, 02435, 02453,
    02503, 02527, 02541, 02574, 02701, 02703, 02716, 02745, 03001, 03010, 03012, 03021,
    03023, 03050, 03065, 03072, 03100, 03102, 03120, 03131, 03144, 03146, 03201, 03203,
    03210, 03225, 03252, 03272, 03311, 03333, 03430, 03447, 03472, 03500, 03506, 03522,
    03555, 03614, 03636, 03663, 03733, 03760, 04004, 04017, 04035, 04037, 04053, 04057,
    04174, 04220, 04237, 04240, 04260, 04266, 04307, 04345, 04404, 04451, 04464, 04525,
    04543, 04570, 04705, 04710, 04712, 04730, 05012, 05041, 05070, 05100, 05106, 05126,
    05155, 05214, 05232, 05272, 05302, 05353, 05410, 05423, 05427, 05472, 05502, 05531,
    05650, 05724, 05742, 06024, 06044, 06046, 06064, 06121, 06161, 06217, 06264, 06330,
    06336, 06444, 06505, 06552, 06633, 06703, 06721, 07003, 07005, 07007, 07010, 07032,
    07052, 07126, 07140, 07212, 07245, 07252, 07300, 07315, 07333, 07360, 07421, 07441,
    07500, 07502, 07524, 07630,
    // clang-format on
};

constexpr std::array<uint32_t, 256> expand_grid() {
  std::array<uint32_t, 256> grid{};
  for (std::size_t k = 0; k < grid.size(); ++k)
    for (int i = 0; i < 4; ++i) grid[k] |= kLevels[kGridDigits[k] >> 3 * i & 7] << 8 * i;
  return grid;
}

constexpr Iq3XxsPlanes split_grid() {
  Iq3XxsPlanes planes{};
  for (std::size_t k = 0; k < 256; ++k)
    for (std::size_t i = 0; i < 4; ++i)
      planes.number[i][k] = static_cast<uint8_t>(kLevels[kGridDigits[k] >> 3 * i & 7]);
  return planes;
}

constexpr std::array<uint64_t, 128> expand_signs() {
  std::array<uint64_t, 128> signs{};
  for (uint32_t index = 0; index < signs.size(); ++index) {
    const uint32_t mask = index | (std::popcount(index) % 2 ? 128u : 0u);
    for (int i = 0; i < 8; ++i) signs[index] |= (mask >> i & 1 ? 0xffull : 1ull) << 8 * i;
  }
  return signs;
}

}  // namespace

constexpr std::array<uint32_t, 256> kIq3XxsGrid = expand_grid();
constexpr Iq3XxsPlanes kIq3XxsPlanes = split_grid();
constexpr std::array<uint64_t, 128> kEvenSigns = expand_signs();

}  // namespace shoal::kernels
