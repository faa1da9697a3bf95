#include "kernels/cpu/row_product.h"

#include "kernels/cpu/row_kernels.h"

namespace shoal::kernels::cpu {
namespace {

// Activation rows from which on tiles are faster (tests/bench/matmul_bench.cpp). Row dots are
// cheaper by half with int8 than with int16, tiles cost the same with both.
int64_t min_tile_rows(ActivationFormat format) {
  return format == ActivationFormat::kInt8 ? 64 : 12;
}

}  // namespace

void multiply_rows(const RowProduct& product) {
  if (product.input.format == ActivationFormat::kF32)
    dot_float_rows(product);
  else if (product.input.rows < min_tile_rows(product.input.format))
    dot_rows(product);
  else
    multiply_row_tiles(product);
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
