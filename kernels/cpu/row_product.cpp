#include "kernels/cpu/row_product.h"

#include "kernels/cpu/row_kernels.h"

namespace shoal::kernels::cpu {
// From how many activation rows on tiles are the faster way (tests/bench/matmul_bench.cpp): row
// dots are cheaper by half with int8 than with int16, AVX2 tiles cost the same with both.
void multiply_rows_avx2(const RowProduct& product) {
  const int64_t num_rows = product.input.rows;
  switch (product.input.format) {
    case ActivationFormat::kF32:
      return dot_float_rows_avx2(product);
    case ActivationFormat::kInt16:
      return num_rows < 12 ? dot_rows_avx2(product) : multiply_row_tiles_avx2(product);
    case ActivationFormat::kInt8:
      return num_rows < 64 ? dot_rows_avx2(product) : multiply_row_tiles_avx2(product);
  }
}

void multiply_rows_avx512(const RowProduct& product) {
  const int64_t num_rows = product.input.rows;
  switch (product.input.format) {
    case ActivationFormat::kF32:
      return dot_float_rows_avx2(product);
    case ActivationFormat::kInt16:
      return num_rows < 8 ? dot_rows_avx512(product) : multiply_row_tiles_avx512(product);
    case ActivationFormat::kInt8:
      return num_rows < 12 ? dot_rows_avx512(product) : multiply_row_tiles_avx512(product);
  }
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
