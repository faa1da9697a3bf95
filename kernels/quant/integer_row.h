// The integer form of a quantised row, the one that the row arithmetic (kernels/ops/matmul.h)
// works on: for column k
//   value[k] = scale[k / group] * q[k] - min[k / min_group]
// with one rounding in the product (always exact, in fact) and one in the difference; types
// without minima have no difference at all, so their zeros keep their sign.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/base/dtype.h"

namespace shoal::kernels {

struct IntegerForm {
  int group;      // columns that share a scale: 16 or 32
  int min_group;  // columns that share a minimum: 16 or 32, 0 for types without
};

// Storage of the caller: q[cols], scale[cols / group], min[cols / min_group].
struct IntegerRow {
  int8_t* q = nullptr;
  float* scale = nullptr;
  float* min = nullptr;
};

// False for floats and for block types that no code here decodes.
bool has_integer_form(DType dtype);

// Asserts has_integer_form().
IntegerForm integer_form(DType dtype);

// `row` holds whole blocks for `cols` columns, at any alignment. Every byte pattern is decoded;
// whether it makes sense is the loader's affair.
void unpack_row(DType dtype, const std::byte* row, int64_t cols, const IntegerRow& out);

}  // namespace shoal::kernels
