// Activations that several weight matrices read. Each matrix wants them in its own format (f32
// beside float weights, int16 beside quantised ones); a format is made once, on first use.
#pragma once
#include <cstddef>
#include <vector>

#include "kernels/kernel_table.h"

namespace shoal::model {

// Memory of one quantised copy of at most max_rows x max_cols activations.
struct QuantizedBuffer {
  std::vector<std::byte> values;
  std::vector<float> scales, sums;
  void reserve(int64_t rows, int64_t cols);
};

kernels::ActivationRows quantize(const kernels::KernelTable& table,
                                 TensorView rows,
                                 kernels::ActivationFormat format,
                                 QuantizedBuffer& buffer,
                                 const Exec& exec);

kernels::ActivationRows as_float_rows(TensorView rows);

class DenseInput {
 public:
  DenseInput(const kernels::KernelTable& table,
             TensorView rows,
             QuantizedBuffer& buffer,
             const Exec& exec)
      : table_(table), rows_(rows), buffer_(buffer), exec_(exec) {}

  // output [n, weight.rows] = rows * weight^T
  void project(const kernels::WeightView& weight, TensorView output);

 private:
  const kernels::KernelTable& table_;
  TensorView rows_;
  QuantizedBuffer& buffer_;
  const Exec& exec_;
  kernels::ActivationRows int16_{};  // rows == 0 until made
};

}  // namespace shoal::model
