// A dense, contiguous tensor that somebody else owns: pointer, type, shape. Row-major, the last
// dimension of `shape` is contiguous (the opposite of GGUF's ne order, which stays in loader/).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "runtime/base/dtype.h"

namespace shoal {

struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  std::array<int64_t, 3> shape = {0, 1, 1};  // [rows], [rows, cols] or [a, b, c]; unused are 1

  int64_t rows() const { return shape[0]; }
  int64_t cols() const { return shape[1] * shape[2]; }
  int64_t elements() const { return shape[0] * shape[1] * shape[2]; }

  float* f32() const;    // checked against dtype
  int32_t* i32() const;  // checked against dtype
  float* row(int64_t index) const { return f32() + index * cols(); }
  TensorView slice_rows(int64_t begin, int64_t end) const;  // floats and integers only
};

TensorView view_f32(float* data, int64_t rows, int64_t cols = 1);
TensorView view_i32(int32_t* data, int64_t rows, int64_t cols = 1);

}  // namespace shoal
