// The same arrays in host and device memory, so that one function makes an op's Params for the
// reference and for the GPU.
#pragma once
#include <cmath>
#include <utility>
#include <vector>

#include "tests/gpu/gpu_machine.h"
#include "tests/unit/kernels/twins.h"

namespace shoal::kernels {

enum class Side { kHost, kDevice };

template <class T>
class Both {
 public:
  explicit Both(std::vector<T> values) : host_(std::move(values)), device_(host_) {}
  Both(size_t count, T value) : Both(std::vector<T>(count, value)) {}

  T* at(Side side) { return side == Side::kHost ? host_.data() : device_.data(); }
  TensorView rows(Side side, int64_t rows, int64_t cols = 1) {
    TensorView view{.data = at(side), .shape = {rows, cols, 1}};
    if constexpr (std::is_same_v<T, int32_t>) view.dtype = DType::kI32;
    return view;
  }
  void expect_same() const {
    const std::vector<T> device = device_.download();
    if constexpr (std::is_same_v<T, float>)
      expect_same_bits(host_, device);
    else
      EXPECT_EQ(host_, device);
  }

 private:
  std::vector<T> host_;
  OnDevice<T> device_;
};

// Rows in all formats, poisoned before they are made.
class BothRows {
 public:
  BothRows(int64_t rows, int64_t cols)
      : rows_(rows),
        cols_(cols),
        f32_(size(), NAN),
        int16_(size(), -7),
        int8_(size(), -7),
        scales16_(size() / 32, NAN),
        sums16_(size() / 32, NAN),
        scales8_(size() / 32, NAN),
        sums8_(size() / 32, NAN) {}

  InputRows rows(Side side, bool with_int8 = true) {
    InputRows out{.rows = rows_,
                  .cols = cols_,
                  .f32 = f32_.at(side),
                  .int16 = {int16_.at(side), scales16_.at(side), sums16_.at(side)}};
    if (with_int8) out.int8 = {int8_.at(side), scales8_.at(side), sums8_.at(side)};
    return out;
  }
  TensorView f32(Side side) { return f32_.rows(side, rows_, cols_); }
  void expect_same() const {
    f32_.expect_same();
    int16_.expect_same();
    scales16_.expect_same();
    sums16_.expect_same();
    int8_.expect_same();
    scales8_.expect_same();
    sums8_.expect_same();
  }

 private:
  size_t size() const { return static_cast<size_t>(rows_ * cols_); }
  int64_t rows_, cols_;
  Both<float> f32_;
  Both<int16_t> int16_;
  Both<int8_t> int8_;
  Both<float> scales16_, sums16_, scales8_, sums8_;
};

// make(side) gives the Params; both run.
template <class Params, class Make>
void run_on_both(Kernel<Params> KernelTable::*op, const Make& make, size_t workspace_bytes = 0) {
  Machine(Backend::kReference).run(op, make(Side::kHost));
  GpuMachine(workspace_bytes).run(op, make(Side::kDevice));
}

}  // namespace shoal::kernels
