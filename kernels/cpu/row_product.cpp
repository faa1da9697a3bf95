#include "kernels/cpu/row_product.h"

#include "kernels/cpu/row_kernels.h"

namespace shoal::kernels::cpu {
namespace {

// From here on unpacking once pays (tests/bench/matmul_bench.cpp).
constexpr int64_t kTileTokens = 12;

}  // namespace

void multiply_rows(const RowProduct& product) {
  if (product.input.format == ActivationFormat::kF32)
    dot_float_rows(product);
  else if (product.input.rows < kTileTokens)
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
