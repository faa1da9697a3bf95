// A weight matrix as it lies in memory, still quantised. Rows are GGUF rows: `cols` inputs each,
// whole blocks, no padding. Alignment is 1: GGUF tensors start at odd places.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/base/dtype.h"

namespace shoal::kernels {

// How the bytes are arranged. Backends may repack at load; kernels refuse a layout not theirs.
enum class WeightLayout : uint8_t { kGguf };

struct WeightView {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  WeightLayout layout = WeightLayout::kGguf;
  int64_t rows = 0;  // outputs
  int64_t cols = 0;  // inputs

  int64_t row_stride() const { return row_bytes(dtype, cols); }
  const std::byte* row(int64_t index) const { return data + index * row_stride(); }
  WeightView slice_rows(int64_t begin, int64_t end) const {
    WeightView out = *this;
    out.data = row(begin);
    out.rows = end - begin;
    return out;
  }
};

}  // namespace shoal::kernels
