// One output of a product: one weight row times one activation row, in the row arithmetic of
// kernels/ops/matmul.h and in its plainest form.
#pragma once
#include <vector>

#include "kernels/ops/matmul.h"

namespace shoal::kernels::reference {

// A decoded weight row; either `floats` or the integer form is filled.
class DecodedRow {
 public:
  DecodedRow(const WeightView& weight, int64_t row);

  float dot(const ActivationRows& input, int64_t input_row) const;

 private:
  template <class T>
  float integer_dot(const ActivationRows& input, int64_t input_row) const;
  float float_dot(const float* x) const;

  int64_t cols_;
  float scale_of_weight_;
  int group_ = 0;
  int min_group_ = 0;
  std::vector<float> floats_;  // [cols]
  std::vector<int8_t> q_;      // [cols]
  std::vector<float> scale_;   // [cols / group]
  std::vector<float> min_;     // [cols / min_group]
};

}  // namespace shoal::kernels::reference
