// Sixteen weight rows unpacked side by side, so that the lanes of a vector are outputs and no
// sum crosses lanes. Templates over the instruction set and over how many columns stand together
// in a lane: ColumnPairs here, ColumnQuads in weight_tile_avx512.h.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/cpu/block_dot_avx2.h"
#include "kernels/cpu/row_product.h"
#include "kernels/cpu/select_codec.h"
#include "kernels/cpu/thread_scratch.h"

namespace shoal::kernels::cpu {
namespace {

constexpr int kRows = static_cast<int>(kRowTile);

struct WeightTile {
  std::byte* q;    // [block][as Columns says]
  float* scale;    // [block][group][row of 16]
  float* min;      // [block][min group][row of 16], or null
  int num_groups;  // 1 or 2 a block
  int num_mins;    // 0, 1 or 2 a block
  int num_rows;    // at most kRowTile; the rows past it repeat the last one
  int64_t num_blocks;
};

// A superblock of sixteen rows, row by row.
struct Stage {
  alignas(32) int8_t q[kSuperblockBlocks][kRows][kActivationBlock];
  alignas(32) float scale[2][kRows][kSuperblockBlocks];
  alignas(32) float min[2][kRows][kSuperblockBlocks];
};

template <class Codec>
void stage_row(const Codec& codec, const std::byte* at, int row, Stage& stage) {
  Superblock weights;
  codec.unpack(at, weights);
  for (int b = 0; b < kSuperblockBlocks; ++b)
    _mm256_store_si256(reinterpret_cast<__m256i*>(stage.q[b][row]), weights.q[b]);
  _mm256_store_ps(stage.scale[0][row], weights.scale[0]);
  if constexpr (Codec::kSplit) _mm256_store_ps(stage.scale[1][row], weights.scale[1]);
  if constexpr (Codec::kMinGroup != 0) _mm256_store_ps(stage.min[0][row], weights.min[0]);
  if constexpr (Codec::kMinGroup == 16) _mm256_store_ps(stage.min[1][row], weights.min[1]);
}

// Column pairs widened to int16, as a 16-bit multiply-add takes them: [pair of 16][row of 16][2].
struct ColumnPairs {
  static constexpr int kBlockBytes = 16 * kRows * 2 * 2;
  static constexpr int kUnits = 16;  // groups of columns a block
  static constexpr int kUnitCols = 2;
  static constexpr int kHalfBytes = 8 * 2 * 2;  // of eight rows of one unit

  // A transpose of 8 x 16 16-bit units; `bytes` is where the first of the eight rows goes.
  static void interleave(const int8_t (*rows)[kActivationBlock], std::byte* bytes) {
    auto* const out = reinterpret_cast<int16_t*>(bytes);
    __m256i r[8];
    for (int i = 0; i < 8; ++i) r[i] = _mm256_load_si256(reinterpret_cast<const __m256i*>(rows[i]));
    __m256i two[8];  // [row pair][units 0..3 | 4..7 of each half]
    for (int i = 0; i < 4; ++i) {
      two[2 * i] = _mm256_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
      two[2 * i + 1] = _mm256_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
    }
    for (int quarter = 0; quarter < 4; ++quarter) {
      // Units 2 * quarter and the next, of the low and the high half of the columns.
      const int part = quarter / 2;
      const auto four = [&](int first) {
        return quarter % 2 == 0 ? _mm256_unpacklo_epi32(two[first + part], two[first + 2 + part])
                                : _mm256_unpackhi_epi32(two[first + part], two[first + 2 + part]);
      };
      const __m256i upper = four(0);
      const __m256i lower = four(4);
      const __m256i eight[2] = {_mm256_unpacklo_epi64(upper, lower),
                                _mm256_unpackhi_epi64(upper, lower)};
      for (int i = 0; i < 2; ++i) {
        const int pair = 2 * quarter + i;
        const __m256i low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(eight[i]));
        const __m256i high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(eight[i], 1));
        _mm256_store_si256(reinterpret_cast<__m256i*>(out + pair * 2 * kRows), low);
        _mm256_store_si256(reinterpret_cast<__m256i*>(out + (pair + 8) * 2 * kRows), high);
      }
    }
  }
};

void transpose_scales(const float (*of_rows)[kSuperblockBlocks],
                      int num_blocks,
                      int64_t step,
                      float* out) {
  for (int b = 0; b < num_blocks; ++b)
    for (int r = 0; r < kRows; ++r) out[b * step + r] = of_rows[r][b];
}

template <class Codec, class Columns>
void unpack_superblocks(const Codec& codec,
                        const WeightView& weight,
                        int64_t first_row,
                        const WeightTile& tile) {
  const int64_t stride = weight.row_stride();
  const std::byte* const rows = weight.row(first_row);
  Stage stage;
  for (int64_t block = 0; block < tile.num_blocks; block += kSuperblockBlocks) {
    const int count =
        static_cast<int>(std::min<int64_t>(kSuperblockBlocks, tile.num_blocks - block));
    const int64_t offset = block / kSuperblockBlocks * codec.bytes();
    for (int r = 0; r < kRows; ++r) {
      const std::byte* at = rows + std::min(r, tile.num_rows - 1) * stride + offset;
      std::byte padded[kMaxSuperblockBytes];
      if (count < kSuperblockBlocks) {
        std::memset(padded, 0, sizeof(padded));
        std::memcpy(padded, at, static_cast<size_t>(count * codec.block_bytes()));
        at = padded;
      }
      stage_row(codec, at, r, stage);
    }
    for (int b = 0; b < count; ++b) {
      std::byte* const out = tile.q + (block + b) * Columns::kBlockBytes;
      Columns::interleave(stage.q[b], out);
      Columns::interleave(stage.q[b] + 8, out + Columns::kHalfBytes);
    }
    const int64_t step = tile.num_groups * kRows;
    for (int g = 0; g < tile.num_groups; ++g)
      transpose_scales(stage.scale[g], count, step, tile.scale + block * step + g * kRows);
    const int64_t min_step = tile.num_mins * kRows;
    for (int g = 0; g < tile.num_mins; ++g)
      transpose_scales(stage.min[g], count, min_step, tile.min + block * min_step + g * kRows);
  }
}

// Memory is the calling thread's scratch: valid until its next
// tile.
template <class Isa, class Columns>
WeightTile unpack_tile(const WeightView& weight, int64_t first_row, int num_rows) {
  WeightTile tile;
  tile.num_rows = num_rows;
  tile.num_blocks = weight.cols / kActivationBlock;
  with_codec<Isa>(weight.dtype, [&](auto codec) {
    using Codec = decltype(codec);
    tile.num_groups = Codec::kSplit ? 2 : 1;
    tile.num_mins = Codec::kMinGroup == 0 ? 0 : 32 / Codec::kMinGroup;
    const auto blocks = static_cast<size_t>(tile.num_blocks);
    const size_t q_bytes = blocks * Columns::kBlockBytes;
    const size_t scale_bytes = blocks * kRows * sizeof(float);
    tile.q = thread_scratch(ScratchSlot::kWeightTile, q_bytes + 4 * scale_bytes);
    tile.scale = reinterpret_cast<float*>(tile.q + q_bytes);
    tile.min = Codec::kMinGroup != 0 ? tile.scale + 2 * blocks * kRows : nullptr;
    unpack_superblocks<Codec, Columns>(codec, weight, first_row, tile);
  });
  return tile;
}

}  // namespace
}  // namespace shoal::kernels::cpu
