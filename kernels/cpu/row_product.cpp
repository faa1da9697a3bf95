#include "kernels/cpu/row_product.h"

#include "kernels/cpu/row_kernels.h"

namespace shoal::kernels::cpu {
namespace {

struct Ways {
  MultiplyRows dots, tiles;
  // From how many activation rows on tiles are the faster way (tests/bench/matmul_bench.cpp).
  int64_t min_int8_rows, min_int16_rows;
};

// AVX2 row dots are cheaper by half with int8 than with int16, tiles cost the same with both.
constexpr Ways kAvx2Ways = {dot_rows_avx2, multiply_row_tiles_avx2, 64, 12};
constexpr Ways kAvx512Ways = {dot_rows_avx512, multiply_row_tiles_avx512, 12, 8};

void multiply_rows(const RowProduct& product, const Ways& ways) {
  if (product.input.format == ActivationFormat::kF32) return dot_float_rows_avx2(product);
  const bool int8 = product.input.format == ActivationFormat::kInt8;
  const bool many = product.input.rows >= (int8 ? ways.min_int8_rows : ways.min_int16_rows);
  (many ? ways.tiles : ways.dots)(product);
}

void scale_outputs(const RowProduct& product) {
  const float scale = product.weight->scale;
  if (scale == 1) return;
  for (int64_t n = 0; n < product.input.rows; ++n) {
    float* const row = product.output + n * product.output_stride;
    for (int64_t i = 0; i < product.end - product.begin; ++i) row[i] *= scale;
  }
}

}  // namespace

void multiply_rows_avx2(const RowProduct& product) {
  multiply_rows(product, kAvx2Ways);
  scale_outputs(product);
}

void multiply_rows_avx512(const RowProduct& product) {
  multiply_rows(product, kAvx512Ways);
  scale_outputs(product);
}

ActivationRows slice_rows(const ActivationRows& input, int64_t first, int64_t count) {
  ActivationRows out = input;
  out.rows = count;
  const auto* const bytes = static_cast<const std::byte*>(input.values);
  switch (input.format) {
    case ActivationFormat::kF32:
      out.values = bytes + first * input.cols * static_cast<int64_t>(sizeof(float));
      return out;
    case ActivationFormat::kInt16:
      out.values = bytes + first * input.cols * static_cast<int64_t>(sizeof(int16_t));
      break;
    case ActivationFormat::kInt8:
      out.values = bytes + first * input.cols;
      break;
  }
  out.scales = input.scales + first * (input.cols / kActivationBlock);
  out.sums = input.sums + first * (input.cols / kActivationBlock);
  return out;
}

}  // namespace shoal::kernels::cpu
