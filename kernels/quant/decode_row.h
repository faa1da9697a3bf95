// Rows of any supported type to f32, to the bit.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/base/dtype.h"

namespace shoal::kernels {

// Whether the kernels can use weights of this type at all (the loader refuses other files).
bool can_decode(DType dtype);

// Asserts can_decode(). `row` may lie at any address; cols is a multiple of the type's block.
void decode_row(DType dtype, const std::byte* row, int64_t cols, float* out);

}  // namespace shoal::kernels
