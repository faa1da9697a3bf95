// A run of weight rows times all rows of an activation matrix, on the calling thread: the piece of
// work that matmul and expert_mlp hand out to threads. Row arithmetic: kernels/ops/matmul.h.
#pragma once
#include "kernels/ops/matmul.h"

namespace shoal::kernels::cpu {

struct RowProduct {
  const WeightView* weight;
  int64_t begin, end;    // weight rows
  ActivationRows input;  // [n, cols]
  float* output;         // output[n * output_stride + row - begin]
  int64_t output_stride;
};

using MultiplyRows = void (*)(const RowProduct&);

// One an instruction set, with the same bits. AVX-512 means F, BW, VL, VBMI and VNNI.
void multiply_rows_avx2(const RowProduct& product);
void multiply_rows_avx512(const RowProduct& product);

// False for the block types that every product decodes by scalar code, row by row: right, and slow.
bool unpacks_with_vectors(DType dtype);

// Weight rows that MultiplyRows likes to get at once; pieces should be multiples of it.
inline constexpr int64_t kRowTile = 16;

// Rows of `input` from `first` on.
ActivationRows slice_rows(const ActivationRows& input, int64_t first, int64_t count);

}  // namespace shoal::kernels::cpu
