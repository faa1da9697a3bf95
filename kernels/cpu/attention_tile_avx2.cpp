#include "kernels/cpu/attention_tile_avx2.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/attention_rows_avx2.h"
#include "kernels/cpu/thread_scratch.h"
#include "kernels/ops/kv_cache.h"

namespace shoal::kernels::cpu {
namespace {

// Keys (values) that stay in L1 while all rows of the tile pass over them: 16 KiB at 256 floats.
constexpr int kKeyTile = 16;

class TileRun {
 public:
  TileRun(const AttentionParams& params, const AttentionTile& tile)
      : params_(params),
        tile_(tile),
        dim_(params.head_dim),
        scale_(1.0f / std::sqrt(static_cast<float>(params.head_dim))),
        first_position_(params.positions.i32()[tile.first_token]) {
    const size_t row_floats = kAttentionSplit + 2 * static_cast<size_t>(dim_);
    scores_ = reinterpret_cast<float*>(
        thread_scratch(ScratchSlot::kAttentionTile, kTileRows * row_floats * sizeof(float)));
    total_ = scores_ + kTileRows * kAttentionSplit;
    split_ = total_ + kTileRows * dim_;
  }

  void run() {
    const int64_t length = first_position_ + tile_.num_tokens;
    for (int64_t begin = 0; begin < length; begin += kAttentionSplit) {
      const int count = static_cast<int>(std::min<int64_t>(kAttentionSplit, length - begin));
      locate(begin, count);
      // Tokens before `begin` have nothing in this split.
      const int first = static_cast<int>(std::max<int64_t>(0, begin - first_position_));
      score(first, count);
      float* acc = begin == 0 ? total_ : split_;
      std::fill(acc + row(first, 0) * dim_, acc + row(tile_.num_tokens, 0) * dim_, 0.0f);
      for (int t = first; t < tile_.num_tokens; ++t) {
        token_count_[t] =
            static_cast<int>(std::min<int64_t>(count, first_position_ + t + 1 - begin));
        for (int r = row(t, 0); r < row(t + 1, 0); ++r)
          sums_[r] = exponentiate(score_row(r), token_count_[t]);
      }
      for (int key = 0; key < count; key += kKeyTile) accumulate(first, key, acc);
      for (int r = row(first, 0); r < row(tile_.num_tokens, 0); ++r) merge_split(r, begin == 0);
    }
    for (int r = 0; r < row(tile_.num_tokens, 0); ++r) write_output(r);
  }

 private:
  int row(int token, int head) const { return token * tile_.num_heads + head; }
  float* score_row(int r) const { return scores_ + r * kAttentionSplit; }

  const float* query(int r) const {
    return params_.query.row(tile_.first_token + r / tile_.num_heads) +
           (tile_.first_head + r % tile_.num_heads) * params_.query_stride;
  }

  void locate(int64_t begin, int count) {
    const int kv_head = tile_.first_head / (params_.num_heads / params_.num_kv_heads);
    for (int i = 0; i < count; ++i) {
      const int64_t at = kv_offset(params_, tile_.sequence, kv_head, begin + i);
      keys_[i] = params_.cache.k + at;
      values_[i] = params_.cache.v + at;
    }
    // score_2x4 takes keys by four; scores beyond `count` are never looked at.
    for (int i = count; i % 4 != 0; ++i) keys_[i] = keys_[count - 1];
  }

  void score(int first_token, int count) {
    const int num_rows = row(tile_.num_tokens, 0);
    for (int tile = 0; tile < count; tile += kKeyTile) {
      const int end = std::min(tile + kKeyTile, count);
      for (int r = row(first_token, 0); r < num_rows; r += 2) {
        const int other = std::min(r + 1, num_rows - 1);  // an odd last row is computed twice
        for (int key = tile; key < end; key += 4)
          score_2x4({query(r), query(other)},
                    keys_ + key,
                    dim_,
                    scale_,
                    {score_row(r) + key, score_row(other) + key});
      }
    }
  }

  // Values key .. key + kKeyTile - 1 into the rows of each token that sees them.
  void accumulate(int first_token, int key, float* acc) {
    for (int t = first_token; t < tile_.num_tokens; ++t) {
      const int count = std::min(kKeyTile, token_count_[t] - key);
      if (count <= 0) continue;
      int r = row(t, 0);
      for (; r + 1 < row(t + 1, 0); r += 2)
        accumulate_values<2>({score_row(r) + key, score_row(r + 1) + key},
                             values_ + key,
                             count,
                             dim_,
                             {acc + r * dim_, acc + (r + 1) * dim_});
      if (r < row(t + 1, 0))
        accumulate_values<1>({score_row(r) + key}, values_ + key, count, dim_, {acc + r * dim_});
    }
  }

  void merge_split(int r, bool is_first) {
    if (is_first) {
      total_sums_[r] = sums_[r];
      return;
    }
    SplitSums& total = total_sums_[r];
    const float max = sums_[r].max > total.max ? sums_[r].max : total.max;
    const float keep = exp_f32(total.max - max);
    const float add = exp_f32(sums_[r].max - max);
    total.max = max;
    total.sum = std::fma(total.sum, keep, sums_[r].sum * add);
    float* a = total_ + r * dim_;
    const float* b = split_ + r * dim_;
    for (int d = 0; d < dim_; d += kLanes) {
      const __m256 added = _mm256_mul_ps(_mm256_loadu_ps(b + d), _mm256_set1_ps(add));
      _mm256_storeu_ps(a + d, _mm256_fmadd_ps(_mm256_loadu_ps(a + d), _mm256_set1_ps(keep), added));
    }
  }

  void write_output(int r) const {
    float* output = params_.output.row(tile_.first_token + r / tile_.num_heads) +
                    (tile_.first_head + r % tile_.num_heads) * dim_;
    const __m256 inverse = _mm256_set1_ps(1.0f / total_sums_[r].sum);
    for (int d = 0; d < dim_; d += kLanes)
      _mm256_storeu_ps(output + d, _mm256_mul_ps(_mm256_loadu_ps(total_ + r * dim_ + d), inverse));
  }

  const AttentionParams& params_;
  const AttentionTile& tile_;
  const int dim_;
  const float scale_;
  const int64_t first_position_;
  float* scores_;  // [kTileRows, kAttentionSplit]
  float* total_;   // [kTileRows, head_dim] merged so far
  float* split_;   // [kTileRows, head_dim] this split
  const float* keys_[kAttentionSplit];
  const float* values_[kAttentionSplit];
  int token_count_[kTileRows];  // positions of this split that a token sees
  SplitSums sums_[kTileRows];
  SplitSums total_sums_[kTileRows];
};

}  // namespace

void attend_tile(const AttentionParams& params, const AttentionTile& tile) {
  TileRun(params, tile).run();
}

}  // namespace shoal::kernels::cpu
