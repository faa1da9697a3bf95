#include <algorithm>

#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/superblock_avx2.h"
#include "kernels/cpu/thread_scratch.h"
#include "kernels/cpu/weight_tile_avx2.h"
#include "kernels/quant/integer_row.h"

namespace shoal::kernels::cpu {
namespace {

constexpr int kVectors = kRows / 8;
// 4 x 2 integer sums, 2 weight vectors and a broadcast fit the 16 registers.
constexpr int kTokens = 4;

// A few activation rows as int16.
struct TokenTile {
  const int16_t* values[kTokens];
  const float* scales[kTokens];
  const float* sums[kTokens];
  const int32_t* group_sums[kTokens];  // as group_sums() made them; unset without minima per 16
};

// Where group g of a block lies in what group_sums() made of a row.
int64_t group_sum_index(int64_t block, int g) { return block / 8 * 16 + g * 8 + block % 8; }

template <int T>
using IntegerSums = __m256i[T][kVectors];

// Adds the products of pairs [begin, end) of one block.
template <int T>
inline void add_pairs(
    const int16_t* q, const TokenTile& x, int64_t column, int num_pairs, IntegerSums<T>& sums) {
#pragma GCC unroll 8
  for (int p = 0; p < num_pairs; ++p) {
    const auto* weights = reinterpret_cast<const __m256i*>(q + p * 2 * kRows);
    const __m256i first = _mm256_load_si256(weights);
    const __m256i second = _mm256_load_si256(weights + 1);
    for (int t = 0; t < T; ++t) {
      int32_t pair;
      std::memcpy(&pair, x.values[t] + column + 2 * p, sizeof(pair));
      const __m256i activations = _mm256_set1_epi32(pair);
      sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(first, activations));
      sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(second, activations));
    }
  }
}

template <int T>
void multiply_tile(const WeightTile& tile, const TokenTile& x, float* output, int64_t stride) {
  __m256 lanes[8][T][kVectors];
  for (auto& lane : lanes)
    for (auto& of_token : lane) std::fill_n(of_token, kVectors, _mm256_setzero_ps());

  const int pairs_per_group = 16 / tile.num_groups;
  for (int64_t block = 0; block < tile.num_blocks; ++block) {
    auto& lane = lanes[block % 8];
    for (int g = 0; g < tile.num_groups; ++g) {
      IntegerSums<T> sums;
      for (auto& of_token : sums) std::fill_n(of_token, kVectors, _mm256_setzero_si256());
      const int64_t first_pair = block * 16 + g * pairs_per_group;
      add_pairs<T>(reinterpret_cast<const int16_t*>(tile.q) + first_pair * 2 * kRows,
                   x,
                   2 * first_pair,
                   pairs_per_group,
                   sums);
      const float* const scale = tile.scale + (block * tile.num_groups + g) * kRows;
      for (int t = 0; t < T; ++t) {
        const __m256 x_scale = _mm256_broadcast_ss(x.scales[t] + block);
        for (int v = 0; v < kVectors; ++v)
          lane[t][v] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_load_ps(scale + 8 * v), x_scale),
                                       _mm256_cvtepi32_ps(sums[t][v]),
                                       lane[t][v]);
        if (tile.num_mins != 2) continue;
        const __m256 x_total =
            _mm256_set1_ps(static_cast<float>(x.group_sums[t][group_sum_index(block, g)]));
        const float* const min = tile.min + (block * 2 + g) * kRows;
        for (int v = 0; v < kVectors; ++v)
          lane[t][v] = _mm256_fnmadd_ps(
              _mm256_mul_ps(_mm256_load_ps(min + 8 * v), x_scale), x_total, lane[t][v]);
      }
    }
    if (tile.num_mins != 1) continue;
    for (int t = 0; t < T; ++t) {
      const __m256 x_sum = _mm256_broadcast_ss(x.sums[t] + block);
      for (int v = 0; v < kVectors; ++v)
        lane[t][v] =
            _mm256_fnmadd_ps(_mm256_load_ps(tile.min + block * kRows + 8 * v), x_sum, lane[t][v]);
    }
  }

  for (int t = 0; t < T; ++t) {
    alignas(32) float rows[kRows];
    for (int v = 0; v < kVectors; ++v) {
      const auto pair = [&](int l) { return _mm256_add_ps(lanes[l][t][v], lanes[l + 1][t][v]); };
      const __m256 sum =
          _mm256_add_ps(_mm256_add_ps(pair(0), pair(2)), _mm256_add_ps(pair(4), pair(6)));
      _mm256_store_ps(rows + 8 * v, sum);
    }
    std::copy_n(rows, tile.num_rows, output + t * stride);
  }
}

// Points `x` at `count` rows of `input`, widening int8 into this thread's scratch.
void load_tokens(const ActivationRows& input, int64_t token, int count, TokenTile& x) {
  const int64_t num_blocks = input.cols / kActivationBlock;
  int16_t* widened = nullptr;
  if (input.format == ActivationFormat::kInt8)
    widened = reinterpret_cast<int16_t*>(thread_scratch(
        ScratchSlot::kActivationTile, static_cast<size_t>(kTokens * input.cols) * sizeof(int16_t)));
  for (int t = 0; t < count; ++t) {
    x.scales[t] = input.scales + (token + t) * num_blocks;
    x.sums[t] = input.sums + (token + t) * num_blocks;
    if (widened == nullptr) {
      x.values[t] = static_cast<const int16_t*>(input.values) + (token + t) * input.cols;
      continue;
    }
    const auto* narrow = static_cast<const int8_t*>(input.values) + (token + t) * input.cols;
    int16_t* const wide = widened + t * input.cols;
    for (int64_t k = 0; k < input.cols; ++k) wide[k] = narrow[k];
    x.values[t] = wide;
  }
}

}  // namespace

void multiply_row_tiles_avx2(const RowProduct& product) {
  const int32_t* sums = nullptr;
  if (integer_form(product.weight->dtype).min_group == 16)
    sums = product.input.format == ActivationFormat::kInt8
               ? group_sums<Avx2, int8_t>(product.input)
               : group_sums<Avx2, int16_t>(product.input);
  for (int64_t row = product.begin; row < product.end; row += kRowTile) {
    const int num_rows = static_cast<int>(std::min(kRowTile, product.end - row));
    const WeightTile tile = unpack_tile<Avx2, ColumnPairs>(*product.weight, row, num_rows);
    for (int64_t token = 0; token < product.input.rows; token += kTokens) {
      const int count = static_cast<int>(std::min<int64_t>(kTokens, product.input.rows - token));
      TokenTile x;
      load_tokens(product.input, token, count, x);
      for (int t = 0; t < count && sums != nullptr; ++t)
        x.group_sums[t] = sums + (token + t) * (product.input.cols / 16);
      float* const output = product.output + token * product.output_stride + row - product.begin;
      switch (count) {
        case 1:
          multiply_tile<1>(tile, x, output, product.output_stride);
          break;
        case 2:
          multiply_tile<2>(tile, x, output, product.output_stride);
          break;
        case 3:
          multiply_tile<3>(tile, x, output, product.output_stride);
          break;
        default:
          multiply_tile<4>(tile, x, output, product.output_stride);
      }
    }
  }
}

}  // namespace shoal::kernels::cpu
