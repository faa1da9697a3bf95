#include <algorithm>
#include <type_traits>

#include "kernels/cpu/block_dot_avx512.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/weight_tile_avx512.h"
#include "kernels/quant/integer_row.h"

namespace shoal::kernels::cpu {
namespace {

// Enough independent sums to cover the latency of a multiply-add; their lanes fill 4 KiB.
constexpr int kTokens = 8;

// A few activation rows.
struct TokenTile {
  const std::byte* values;  // rows value_stride bytes apart
  int64_t value_stride;
  const float* scales;         // [T][num_blocks]
  const float* sums;           // [T][num_blocks]
  const int32_t* corrections;  // Avx512::sum_activations, or null
  int64_t correction_stride;
  const int32_t* group_sums;  // [T][cols / 16], as group_sums() made them, or null
  int64_t group_sum_stride;
};

inline __m512i multiply_add(ColumnPairs, __m512i sum, __m512i weights, __m512i activations) {
  return _mm512_dpwssd_epi32(sum, weights, activations);
}
inline __m512i multiply_add(ColumnQuads, __m512i sum, __m512i weights, __m512i activations) {
  return _mm512_dpbusd_epi32(sum, weights, activations);
}

// Sixteen outputs for T rows.
template <int T, class Columns>
void multiply_tile(const WeightTile& tile, const TokenTile& x, float* output, int64_t stride) {
  __m512 lanes[8][T];
  for (auto& lane : lanes) std::fill_n(lane, T, _mm512_setzero_ps());

  const int units_per_group = Columns::kUnits / tile.num_groups;
  for (int64_t block = 0; block < tile.num_blocks; ++block) {
    auto& lane = lanes[block % 8];
    for (int g = 0; g < tile.num_groups; ++g) {
      __m512i sums[T];
      std::fill_n(sums, T, _mm512_setzero_si512());
      const int64_t first_unit = block * Columns::kUnits + g * units_per_group;
      const std::byte* const weights = tile.q + first_unit * 64;
      const std::byte* const activations = x.values + first_unit * 4;
#pragma GCC unroll 4
      for (int u = 0; u < units_per_group; ++u) {
        const __m512i w = _mm512_load_si512(weights + 64 * u);
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) {
          const auto unit = load_bytes<int32_t>(activations + t * x.value_stride + 4 * u);
          sums[t] = multiply_add(Columns{}, sums[t], w, _mm512_set1_epi32(unit));
        }
      }
      const __m512 scale = _mm512_load_ps(tile.scale + (block * tile.num_groups + g) * kRows);
      const int64_t correction = block / 8 * 8 * tile.num_groups + g * 8 + block % 8;
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        if (x.corrections != nullptr)
          sums[t] = _mm512_sub_epi32(
              sums[t], _mm512_set1_epi32(x.corrections[t * x.correction_stride + correction]));
        const __m512 x_scale = _mm512_set1_ps(x.scales[t * tile.num_blocks + block]);
        lane[t] =
            _mm512_fmadd_ps(_mm512_mul_ps(scale, x_scale), _mm512_cvtepi32_ps(sums[t]), lane[t]);
        if (tile.num_mins != 2) continue;
        const __m512 min = _mm512_load_ps(tile.min + (block * 2 + g) * kRows);
        const auto x_total = static_cast<float>(
            x.group_sums[t * x.group_sum_stride + block / 8 * 16 + g * 8 + block % 8]);
        lane[t] = _mm512_fnmadd_ps(_mm512_mul_ps(min, x_scale), _mm512_set1_ps(x_total), lane[t]);
      }
    }
    if (tile.num_mins != 1) continue;
    const __m512 min = _mm512_load_ps(tile.min + block * kRows);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t)
      lane[t] = _mm512_fnmadd_ps(min, _mm512_set1_ps(x.sums[t * tile.num_blocks + block]), lane[t]);
  }

  const auto valid = static_cast<__mmask16>((1u << tile.num_rows) - 1);
  for (int t = 0; t < T; ++t) {
    const auto pair = [&](int l) { return _mm512_add_ps(lanes[l][t], lanes[l + 1][t]); };
    const __m512 sum =
        _mm512_add_ps(_mm512_add_ps(pair(0), pair(2)), _mm512_add_ps(pair(4), pair(6)));
    _mm512_mask_storeu_ps(output + t * stride, valid, sum);
  }
}

// multiply_tile<count> for count in 1..T.
template <int T, class Columns>
void multiply_tokens(
    int count, const WeightTile& tile, const TokenTile& x, float* output, int64_t stride) {
  if constexpr (T > 1) {
    if (count < T) return multiply_tokens<T - 1, Columns>(count, tile, x, output, stride);
  }
  multiply_tile<T, Columns>(tile, x, output, stride);
}

template <class Columns>
void multiply_tiles(const RowProduct& product) {
  const ActivationRows& input = product.input;
  const bool split = integer_form(product.weight->dtype).group == 16;
  const int64_t num_blocks = input.cols / kActivationBlock;
  const int64_t correction_stride = (num_blocks + 7) / 8 * (split ? 16 : 8);
  const int32_t* const corrections =
      input.format == ActivationFormat::kInt8 ? Avx512::sum_activations(input, split) : nullptr;
  const int64_t value_stride = input.cols * 4 / Columns::kUnitCols;
  using X = std::conditional_t<Columns::kUnitCols == 4, int8_t, int16_t>;
  const bool has_group_mins = integer_form(product.weight->dtype).min_group == 16;
  const int32_t* const sums = has_group_mins ? group_sums<Avx512, X>(input) : nullptr;
  for (int64_t row = product.begin; row < product.end; row += kRowTile) {
    const int num_rows = static_cast<int>(std::min(kRowTile, product.end - row));
    const WeightTile tile = unpack_tile<Avx512, Columns>(*product.weight, row, num_rows);
    for (int64_t token = 0; token < input.rows; token += kTokens) {
      const TokenTile x = {
          .values = static_cast<const std::byte*>(input.values) + token * value_stride,
          .value_stride = value_stride,
          .scales = input.scales + token * num_blocks,
          .sums = input.sums + token * num_blocks,
          .corrections = corrections == nullptr ? nullptr : corrections + token * correction_stride,
          .correction_stride = correction_stride,
          .group_sums = sums == nullptr ? nullptr : sums + token * (input.cols / 16),
          .group_sum_stride = input.cols / 16};
      multiply_tokens<kTokens, Columns>(
          static_cast<int>(std::min<int64_t>(kTokens, input.rows - token)),
          tile,
          x,
          product.output + token * product.output_stride + row - product.begin,
          product.output_stride);
    }
  }
}

}  // namespace

void multiply_row_tiles_avx512(const RowProduct& product) {
  if (product.input.format == ActivationFormat::kInt8)
    multiply_tiles<ColumnQuads>(product);
  else
    multiply_tiles<ColumnPairs>(product);
}

}  // namespace shoal::kernels::cpu
