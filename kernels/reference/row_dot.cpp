#include "kernels/reference/row_dot.h"

#include <array>
#include <cmath>

#include "kernels/quant/decode_row.h"
#include "kernels/quant/integer_row.h"

namespace shoal::kernels::reference {
namespace {

using Lanes = std::array<float, 8>;

float add_lanes(const Lanes& l) {
  return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
}

}  // namespace

DecodedRow::DecodedRow(const WeightView& weight, int64_t row)
    : cols_(weight.cols), scale_of_weight_(weight.scale) {
  if (!is_quantized(weight.dtype)) {
    floats_.resize(cols_);
    decode_row(weight.dtype, weight.row(row), cols_, floats_.data());
    return;
  }
  const IntegerForm form = integer_form(weight.dtype);
  group_ = form.group;
  min_group_ = form.min_group;
  q_.resize(cols_);
  scale_.resize(cols_ / group_);
  if (min_group_ != 0) min_.resize(cols_ / min_group_);
  unpack_row(weight.dtype, weight.row(row), cols_, {q_.data(), scale_.data(), min_.data()});
}

float DecodedRow::dot(const ActivationRows& input, int64_t input_row) const {
  switch (input.format) {
    case ActivationFormat::kF32:
      return scale_of_weight_ *
             float_dot(static_cast<const float*>(input.values) + input_row * cols_);
    case ActivationFormat::kInt16:
      return scale_of_weight_ * integer_dot<int16_t>(input, input_row);
    default:
      return scale_of_weight_ * integer_dot<int8_t>(input, input_row);
  }
}

float DecodedRow::float_dot(const float* x) const {
  Lanes lanes{};
  for (int64_t k = 0; k < cols_; ++k) lanes[k % 8] = std::fma(floats_[k], x[k], lanes[k % 8]);
  return add_lanes(lanes);
}

template <class T>
float DecodedRow::integer_dot(const ActivationRows& input, int64_t input_row) const {
  const T* x = static_cast<const T*>(input.values) + input_row * cols_;
  const int64_t num_blocks = cols_ / kActivationBlock;
  const float* x_scale = input.scales + input_row * num_blocks;
  const float* x_sum = input.sums + input_row * num_blocks;
  Lanes lanes{};
  for (int64_t j = 0; j < num_blocks; ++j) {
    float& lane = lanes[j % 8];
    for (int64_t k = j * kActivationBlock; k < (j + 1) * kActivationBlock; k += group_) {
      int32_t sum = 0, x_total = 0;
      for (int i = 0; i < group_; ++i) {
        sum += q_[k + i] * x[k + i];
        x_total += x[k + i];
      }
      lane = std::fma(scale_[k / group_] * x_scale[j], static_cast<float>(sum), lane);
      if (min_group_ == 16)
        lane = std::fma(-(min_[k / 16] * x_scale[j]), static_cast<float>(x_total), lane);
    }
    if (min_group_ == 32) lane = std::fma(-min_[j], x_sum[j], lane);
  }
  return add_lanes(lanes);
}

}  // namespace shoal::kernels::reference
