#include <algorithm>

#include "kernels/cpu/block_dot_avx2.h"
#include "kernels/cpu/row_kernels.h"
#include "runtime/base/check.h"

namespace shoal::kernels::cpu {
namespace {

// Eight weights of one float type, widened.
struct LoadF32 {
  static constexpr int kBytes = 4;
  static __m256 load(const std::byte* at) { return _mm256_castsi256_ps(load_32(at)); }
};
struct LoadF16 {
  static constexpr int kBytes = 2;
  static __m256 load(const std::byte* at) { return _mm256_cvtph_ps(load_16(at)); }
};
struct LoadBf16 {
  static constexpr int kBytes = 2;
  static __m256 load(const std::byte* at) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16(at)), 16));
  }
};

// R weight rows with T activation rows: R * T independent chains hide the latency of an fma.
template <class Load, int R, int T>
void dot_block(const RowProduct& product, int64_t row, int64_t token) {
  const int64_t cols = product.input.cols;
  const int64_t stride = product.weight->row_stride();
  const std::byte* const w = product.weight->row(row);
  const float* const x = static_cast<const float*>(product.input.values) + token * cols;
  __m256 lanes[R][T];
  for (auto& of_row : lanes) std::fill_n(of_row, T, _mm256_setzero_ps());
  int64_t k = 0;
  for (; k + 8 <= cols; k += 8) {
    __m256 activations[T];
    for (int t = 0; t < T; ++t) activations[t] = _mm256_loadu_ps(x + t * cols + k);
    for (int r = 0; r < R; ++r) {
      const __m256 weights = Load::load(w + r * stride + k * Load::kBytes);
      for (int t = 0; t < T; ++t)
        lanes[r][t] = _mm256_fmadd_ps(weights, activations[t], lanes[r][t]);
    }
  }
  if (k < cols) {
    const int count = static_cast<int>(cols - k);
    const __m256 mask = first_lanes(count);
    for (int r = 0; r < R; ++r) {
      std::byte padded[8 * Load::kBytes] = {};
      std::memcpy(
          padded, w + r * stride + k * Load::kBytes, static_cast<size_t>(count * Load::kBytes));
      const __m256 weights = Load::load(padded);
      for (int t = 0; t < T; ++t) {
        const __m256 activations = _mm256_maskload_ps(x + t * cols + k, _mm256_castps_si256(mask));
        const __m256 added = _mm256_fmadd_ps(weights, activations, lanes[r][t]);
        lanes[r][t] = _mm256_blendv_ps(lanes[r][t], added, mask);
      }
    }
  }
  float* const output = product.output + token * product.output_stride + row - product.begin;
  for (int r = 0; r < R; ++r)
    for (int t = 0; t < T; ++t) output[t * product.output_stride + r] = add_lanes(lanes[r][t]);
}

template <class Load, int R>
void dot_all_tokens(const RowProduct& product, int64_t row) {
  int64_t token = 0;
  for (; token + 2 <= product.input.rows; token += 2) dot_block<Load, R, 2>(product, row, token);
  if (token < product.input.rows) dot_block<Load, R, 1>(product, row, token);
}

// Rows outermost: a few weight rows stay in cache while all activation rows pass.
template <class Load>
void dot_rows_as(const RowProduct& product) {
  int64_t row = product.begin;
  for (; row + 4 <= product.end; row += 4) dot_all_tokens<Load, 4>(product, row);
  for (; row < product.end; ++row) dot_all_tokens<Load, 1>(product, row);
}

}  // namespace

void dot_float_rows_avx2(const RowProduct& product) {
  switch (product.weight->dtype) {
    case DType::kF32:
      return dot_rows_as<LoadF32>(product);
    case DType::kF16:
      return dot_rows_as<LoadF16>(product);
    case DType::kBF16:
      return dot_rows_as<LoadBf16>(product);
    default:
      SHOAL_ASSERT(false, "{} is no float", dtype_name(product.weight->dtype));
  }
}

}  // namespace shoal::kernels::cpu
