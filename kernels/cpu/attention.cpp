#include <algorithm>

#include "kernels/cpu/attention_tile_avx2.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/ops/kv_cache.h"
#include "runtime/base/check.h"

namespace shoal::kernels::cpu {
namespace {

constexpr int64_t kRowsPerStore = 64;
constexpr int kMinHeadsPerTile = 2;  // rows are taken in pairs

// Numbers the tiles of a call: sequence by sequence, token tile by token tile, head piece by head
// piece. When there are fewer tiles than threads (decoding a few sequences), heads that share a KV
// head go to several threads: each reads the keys again, but all of them work.
class TileIndex {
 public:
  TileIndex(const AttentionParams& params, int num_threads)
      : params_(params),
        group_(params.num_heads / params.num_kv_heads),
        tokens_per_tile_(std::max(1, kTileRows / group_)) {
    cut_heads(std::min(group_, kTileRows));
    while (size() < num_threads && heads_per_tile_ > kMinHeadsPerTile)
      cut_heads((heads_per_tile_ + 1) / 2);
  }

  int64_t size() const {
    int64_t total = 0;
    for (int s = 0; s < params_.num_sequences; ++s) total += token_tiles(s) * tiles_per_token_tile_;
    return total;
  }

  AttentionTile at(int64_t index) const {
    int s = 0;
    for (; index >= token_tiles(s) * tiles_per_token_tile_; ++s)
      index -= token_tiles(s) * tiles_per_token_tile_;
    const int64_t token = index / tiles_per_token_tile_ * tokens_per_tile_;
    const int piece = static_cast<int>(index % tiles_per_token_tile_);
    const int head_in_group = piece % pieces_per_group_ * heads_per_tile_;
    return {.sequence = s,
            .first_token = starts()[s] + token,
            .num_tokens = static_cast<int>(std::min<int64_t>(tokens_per_tile_, length(s) - token)),
            .first_head = piece / pieces_per_group_ * group_ + head_in_group,
            .num_heads = std::min(heads_per_tile_, group_ - head_in_group)};
  }

 private:
  void cut_heads(int heads_per_tile) {
    heads_per_tile_ = heads_per_tile;
    pieces_per_group_ = (group_ + heads_per_tile - 1) / heads_per_tile;
    tiles_per_token_tile_ = params_.num_kv_heads * pieces_per_group_;
  }

  const int32_t* starts() const { return params_.sequence_starts.i32(); }
  int64_t length(int s) const { return starts()[s + 1] - starts()[s]; }
  int64_t token_tiles(int s) const { return (length(s) + tokens_per_tile_ - 1) / tokens_per_tile_; }

  const AttentionParams& params_;
  int group_;
  int tokens_per_tile_;
  int heads_per_tile_ = 0;
  int pieces_per_group_ = 0;
  int tiles_per_token_tile_ = 0;
};

}  // namespace

void attention(const AttentionParams& params, const Exec& exec) {
  check_attention(params);
  for (int s = 0; s < params.num_sequences; ++s) {
    const int64_t first = params.sequence_starts.i32()[s];
    const int64_t count = params.sequence_starts.i32()[s + 1] - first;
    exec.pool->parallel_for(count, kRowsPerStore, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) store_kv(params, s, first + t);
    });
  }
  const TileIndex tiles(params, exec.pool->size());
  const int64_t num_tiles = tiles.size();
  exec.pool->parallel_for(num_tiles, 1, [&](int64_t begin, int64_t end) {
    // From the back: late tokens see the most keys, and the longest work should start first.
    for (int64_t i = begin; i < end; ++i) attend_tile(params, tiles.at(num_tiles - 1 - i));
  });
}

}  // namespace shoal::kernels::cpu
