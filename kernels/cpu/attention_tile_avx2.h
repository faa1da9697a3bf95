// A tile of attention: up to kTileRows queries (several tokens of one sequence times the heads that
// share a KV head), which read every key and value together.
#pragma once
#include <cstdint>

#include "kernels/ops/attention.h"

namespace shoal::kernels::cpu {

// With 256-wide heads the tile's queries, scores and sums take about 256 KiB: an L2's worth.
inline constexpr int kTileRows = 64;

struct AttentionTile {
  int sequence;
  int64_t first_token;  // row of query
  int num_tokens;
  int first_head;  // all in the group of one KV head
  int num_heads;   // num_tokens * num_heads <= kTileRows
};

// Writes the tile's output rows. Keys and values of its positions must be in the cache.
void attend_tile(const AttentionParams& params, const AttentionTile& tile);

}  // namespace shoal::kernels::cpu
