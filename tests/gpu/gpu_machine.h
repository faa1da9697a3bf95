// The CUDA backend for tests: arrays copied to the device and back, ops run on a stream.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/quant/split_blocks.h"
#include "runtime/device/cuda_buffer.h"
#include "runtime/device/cuda_check.h"
#include "runtime/device/cuda_stream.h"

namespace shoal::kernels {

#define SHOAL_SKIP_WITHOUT_GPU()                         \
  if (std::string reason; !device::cuda_answers(reason)) \
  GTEST_SKIP() << "no GPU answers: " << reason

// A device copy of host values.
template <class T>
class OnDevice {
 public:
  OnDevice(const T* values, size_t count) : count_(count), buffer_(count * sizeof(T)) {
    if (count == 0) return;
    stream_.copy_to_device(buffer_.data(), values, count * sizeof(T));
    stream_.synchronize();
  }
  explicit OnDevice(const std::vector<T>& values) : OnDevice(values.data(), values.size()) {}
  OnDevice() : OnDevice(nullptr, 0) {}

  T* data() const { return buffer_.as<T>(); }
  std::vector<T> download() const {
    std::vector<T> values(count_);
    if (count_ == 0) return values;
    stream_.copy_to_host(values.data(), buffer_.data(), count_ * sizeof(T));
    stream_.synchronize();
    return values;
  }

 private:
  size_t count_;
  device::DeviceBuffer buffer_;
  device::CudaStream stream_;
};

inline TensorView matrix(const OnDevice<float>& values, int64_t rows, int64_t cols) {
  return view_f32(values.data(), rows, cols);
}

inline TensorView column(const OnDevice<int32_t>& values, int64_t count) {
  return view_i32(values.data(), count);
}

// Quantised activation rows, and weights, on the device.
class DeviceRows {
 public:
  explicit DeviceRows(const ActivationRows& rows)
      : rows_(rows),
        values_(static_cast<const std::byte*>(rows.values), value_bytes(rows)),
        scales_(rows.scales, num_scales(rows)),
        sums_(rows.sums, num_scales(rows)) {
    rows_.values = values_.data();
    rows_.scales = scales_.data();
    rows_.sums = sums_.data();
  }
  const ActivationRows& rows() const { return rows_; }

 private:
  static size_t value_bytes(const ActivationRows& rows) {
    const size_t size = rows.format == ActivationFormat::kF32     ? 4
                        : rows.format == ActivationFormat::kInt16 ? 2
                                                                  : 1;
    return static_cast<size_t>(rows.rows * rows.cols) * size;
  }
  static size_t num_scales(const ActivationRows& rows) {
    if (rows.format == ActivationFormat::kF32) return 0;
    return static_cast<size_t>(rows.rows * rows.cols / kActivationBlock);
  }
  ActivationRows rows_;
  OnDevice<std::byte> values_;
  OnDevice<float> scales_, sums_;
};

// A matrix in the device's layout: quantised types are split (kernels/quant/split_blocks.h).
class DeviceWeight {
 public:
  explicit DeviceWeight(const WeightView& weight) : weight_(weight) {
    const auto bytes = static_cast<size_t>(weight.rows * weight.row_stride());
    std::vector<std::byte> planes(weight.data, weight.data + bytes);
    size_t heads_at = 0;
    if (const auto cut = find_block_cut(weight.dtype)) {
      const auto blocks = static_cast<int64_t>(bytes) / cut->block_bytes;
      heads_at = static_cast<size_t>(blocks * cut->body_bytes());  // a multiple of 16
      split_blocks(*cut, weight.data, blocks, {planes.data(), planes.data() + heads_at});
      weight_.layout = WeightLayout::kSplit;
    }
    bytes_ = OnDevice<std::byte>(planes);
    weight_.data = bytes_.data();
    if (heads_at > 0) weight_.heads = bytes_.data() + heads_at;
  }
  const WeightView& view() const { return weight_; }

 private:
  WeightView weight_;
  OnDevice<std::byte> bytes_;
};

class GpuMachine {
 public:
  explicit GpuMachine(size_t workspace_bytes = 0)
      : workspace_(workspace_bytes), kernels_(select_kernels(Backend::kCuda)) {}

  // Waits, so that a fault shows at the op that made it.
  template <class Params>
  void run(Kernel<Params> KernelTable::*op, const Params& params) {
    (kernels_.*op)(params, Exec{.stream = stream_.view(), .workspace = workspace_.span()});
    stream_.synchronize();
  }

 private:
  device::CudaStream stream_;
  device::DeviceBuffer workspace_;
  const KernelTable& kernels_;
};

}  // namespace shoal::kernels
