// A weight matrix as it lies in memory, still quantised. In kGguf layout rows are GGUF rows: `cols`
// inputs each, whole blocks, no padding, alignment 1 (GGUF tensors start at odd places).
// In kSplit layout, that of the CUDA backend, each block is cut into a body whose size is a
// multiple of 16 bytes and a head (its scales): all bodies of the matrix, row by row, then all
// heads; not a byte more (kernels/quant/split_blocks.h). Float types are the same in both.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/base/dtype.h"

namespace shoal::kernels {

// How the bytes are arranged. Backends may repack at load; kernels refuse a layout not theirs.
enum class WeightLayout : uint8_t { kGguf, kSplit };

struct WeightView {
  const std::byte* data = nullptr;
  const std::byte* heads = nullptr;  // kSplit of a quantised type: 16-byte aligned, as `data` is
  DType dtype = DType::kF32;
  WeightLayout layout = WeightLayout::kGguf;
  int64_t rows = 0;  // outputs
  int64_t cols = 0;  // inputs
  // Every output of a product is multiplied by it, once, in f32 (NVFP4 files have a second level of
  // scales). Reading rows of an embedding table ignores it.
  float scale = 1;

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
