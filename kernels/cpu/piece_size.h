// How many tiles of a product a thread takes at a time.
#pragma once
#include <algorithm>
#include <cstdint>

namespace shoal::kernels::cpu {

// Below this a hand-over between threads costs more than the work (about two microseconds).
inline constexpr int64_t kMinProductsPerPiece = 64 * 1024;
// Enough pieces that a thread which lost its core for a while does not hold up the others.
inline constexpr int64_t kPiecesPerThread = 8;

inline int64_t piece_size(int64_t num_tiles, int64_t products_per_tile, int num_threads) {
  const int64_t smallest = kMinProductsPerPiece / std::max<int64_t>(products_per_tile, 1);
  return std::max<int64_t>({1, smallest, num_tiles / (num_threads * kPiecesPerThread)});
}

}  // namespace shoal::kernels::cpu
