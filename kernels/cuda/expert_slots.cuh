// What the experts' launches share: the table of active experts, a kernel parameter, and how an
// inner activation is stored. A thread block makes 32 inner columns, one 32-block.
#pragma once
#include "kernels/cuda/quantize_rows.cuh"
#include "kernels/cuda/row_product.cuh"

namespace shoal::kernels::cuda {

// Kernel parameters may hold 32,764 bytes.
inline constexpr int kMaxExpertSlots = 512;

struct GateUpSlot {
  const uint8_t* gate;
  const uint8_t* up;
  int32_t first_row;
  int32_t num_rows;
};

template <int kSlots>
struct GateUpSlots {
  GateUpSlot slot[kSlots];
};

struct GateUpShape {
  int intermediate;
  int64_t row_stride;  // bytes
  // Either `inner` or the quantised form is written.
  float* inner;     // [n, intermediate]
  int16_t* values;  // [n, intermediate]
  float* scales;    // [n, intermediate / 32]
  float* sums;
};

inline constexpr int kInnerColumns = 32;

// Row `row` of this thread block's columns, by one warp, `value` being this thread's column.
__device__ inline void store_inner(const GateUpShape& shape, int64_t row, float value) {
  const int column = blockIdx.x * kInnerColumns + threadIdx.x % 32;
  if (shape.inner != nullptr) {
    if (column < shape.intermediate) shape.inner[row * shape.intermediate + column] = value;
    return;
  }
  const QuantizedColumn quantized = quantize_column(value, kInt16Limit);
  shape.values[row * shape.intermediate + column] = static_cast<int16_t>(quantized.value);
  if (threadIdx.x % 32 == 0) {
    const int64_t block = row * (shape.intermediate / kActivationBlock) + blockIdx.x;
    shape.scales[block] = quantized.scale;
    shape.sums[block] = quantized.sum;
  }
}

}  // namespace shoal::kernels::cuda
