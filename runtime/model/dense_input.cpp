#include "runtime/model/dense_input.h"

#include <algorithm>

namespace shoal::model {

void QuantizedBuffer::reserve(int64_t rows, int64_t cols) {
  const auto elements = static_cast<size_t>(rows * cols);
  const size_t blocks = elements / kernels::kActivationBlock;
  if (values.size() < elements * sizeof(int16_t)) values.resize(elements * sizeof(int16_t));
  if (scales.size() < blocks) {
    scales.resize(blocks);
    sums.resize(blocks);
  }
}

kernels::ActivationRows quantize(const kernels::KernelTable& table,
                                 TensorView rows,
                                 kernels::ActivationFormat format,
                                 QuantizedBuffer& buffer,
                                 const Exec& exec) {
  buffer.reserve(rows.rows(), rows.cols());
  table.quantize_rows({.rows = rows,
                       .format = format,
                       .values = buffer.values.data(),
                       .scales = buffer.scales.data(),
                       .sums = buffer.sums.data()},
                      exec);
  return {.format = format,
          .rows = rows.rows(),
          .cols = rows.cols(),
          .values = buffer.values.data(),
          .scales = buffer.scales.data(),
          .sums = buffer.sums.data()};
}

kernels::ActivationRows as_float_rows(TensorView rows) {
  return {.format = kernels::ActivationFormat::kF32,
          .rows = rows.rows(),
          .cols = rows.cols(),
          .values = rows.data};
}

void DenseInput::project(const kernels::WeightView& weight, TensorView output) {
  kernels::ActivationRows input;
  if (is_quantized(weight.dtype)) {
    if (int16_.rows == 0)
      int16_ = quantize(table_, rows_, kernels::ActivationFormat::kInt16, buffer_, exec_);
    input = int16_;
  } else {
    input = as_float_rows(rows_);
  }
  table_.matmul({.weight = weight, .input = input, .output = output}, exec_);
}

}  // namespace shoal::model
