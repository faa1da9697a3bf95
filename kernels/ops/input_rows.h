// One set of activation rows in every format that its readers want: f32 beside float weights, int16
// beside quantised dense weights, int8 for experts and the wire. A null pointer means "not wanted".
// Owned by whoever allocated the pointers.
#pragma once
#include "kernels/ops/matmul.h"

namespace shoal::kernels {

struct QuantizedRows {
  void* values = nullptr;   // [rows, cols] int16 or int8
  float* scales = nullptr;  // [rows, cols / 32]
  float* sums = nullptr;    // [rows, cols / 32]
};

struct InputRows {
  int64_t rows = 0;
  int64_t cols = 0;
  float* f32 = nullptr;  // [rows, cols]
  QuantizedRows int16, int8;

  // The rows in one format, which must be there.
  ActivationRows in(ActivationFormat format) const;
  // What `weight` reads: f32 for float types, int16 for the others.
  ActivationRows for_weight(const WeightView& weight) const {
    return in(is_quantized(weight.dtype) ? ActivationFormat::kInt16 : ActivationFormat::kF32);
  }
};

}  // namespace shoal::kernels
