#include "runtime/base/tensor_view.h"

#include "runtime/base/check.h"

namespace shoal {

float* TensorView::f32() const {
  SHOAL_ASSERT(dtype == DType::kF32, "{}", dtype_name(dtype));
  return static_cast<float*>(data);
}

int32_t* TensorView::i32() const {
  SHOAL_ASSERT(dtype == DType::kI32, "{}", dtype_name(dtype));
  return static_cast<int32_t*>(data);
}

TensorView TensorView::slice_rows(int64_t begin, int64_t end) const {
  SHOAL_ASSERT(0 <= begin && begin <= end && end <= rows(), "{}..{} of {}", begin, end, rows());
  TensorView out = *this;
  out.data = static_cast<std::byte*>(data) + begin * row_bytes(dtype, cols());
  out.shape[0] = end - begin;
  return out;
}

TensorView view_f32(float* data, int64_t rows, int64_t cols) {
  return {data, DType::kF32, {rows, cols, 1}};
}

TensorView view_i32(int32_t* data, int64_t rows, int64_t cols) {
  return {data, DType::kI32, {rows, cols, 1}};
}

}  // namespace shoal
