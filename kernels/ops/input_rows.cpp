#include "kernels/ops/input_rows.h"

#include "runtime/base/check.h"

namespace shoal::kernels {

ActivationRows InputRows::in(ActivationFormat format) const {
  ActivationRows out{.format = format, .rows = rows, .cols = cols};
  if (format == ActivationFormat::kF32) {
    out.values = f32;
  } else {
    const QuantizedRows& quantized = format == ActivationFormat::kInt16 ? int16 : int8;
    out.values = quantized.values;
    out.scales = quantized.scales;
    out.sums = quantized.sums;
  }
  SHOAL_ASSERT(out.values != nullptr || rows == 0,
               "rows were not made in format {}",
               static_cast<int>(format));
  return out;
}

}  // namespace shoal::kernels
