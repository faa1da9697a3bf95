// The ways to compute a RowProduct, by instruction set, type and number of rows. All give the same
// bits.
#pragma once
#include "kernels/cpu/row_product.h"

namespace shoal::kernels::cpu {

// Few activation rows: straight from the packed weights.
void dot_rows_avx2(const RowProduct& product);
void dot_rows_avx512(const RowProduct& product);

// Many: weights are unpacked once, sixteen rows at a time, and then meet all activation rows.
void multiply_row_tiles_avx2(const RowProduct& product);
void multiply_row_tiles_avx512(const RowProduct& product);

// F32, F16 and BF16 weights with f32 activations.
void dot_float_rows_avx2(const RowProduct& product);

}  // namespace shoal::kernels::cpu
