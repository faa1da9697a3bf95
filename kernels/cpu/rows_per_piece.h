// How many rows of an element-wise op a thread takes at a time.
#pragma once
#include <algorithm>
#include <cstdint>

namespace shoal::kernels::cpu {

// A few microseconds of work: less would be eaten by the hand-over between threads.
inline constexpr int64_t kFloatsPerPiece = 16 * 1024;

inline int64_t rows_per_piece(int64_t floats_per_row) {
  return std::max<int64_t>(1, kFloatsPerPiece / std::max<int64_t>(floats_per_row, 1));
}

}  // namespace shoal::kernels::cpu
