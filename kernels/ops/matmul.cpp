#include "kernels/ops/matmul.h"

#include "kernels/quant/integer_row.h"
#include "runtime/base/check.h"

namespace shoal::kernels {

bool accepts(DType dtype, ActivationFormat format) {
  switch (dtype) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      return format == ActivationFormat::kF32;
    default:
      return format != ActivationFormat::kF32 && has_integer_form(dtype);
  }
}

void check_product(const WeightView& weight, const ActivationRows& input, WeightLayout layout) {
  SHOAL_ASSERT(weight.layout == layout || !is_quantized(weight.dtype),
               "layout {}",
               static_cast<int>(weight.layout));
  SHOAL_ASSERT(accepts(weight.dtype, input.format),
               "{} weights with activation format {}",
               dtype_name(weight.dtype),
               static_cast<int>(input.format));
  SHOAL_ASSERT(weight.cols == input.cols, "{} inputs, rows of {}", weight.cols, input.cols);
  SHOAL_ASSERT(input.format == ActivationFormat::kF32 || input.cols % kActivationBlock == 0,
               "{} columns",
               input.cols);
}

}  // namespace shoal::kernels
