// What the experts' launches share: their weights, the grouping of rows, how an inner activation is
// stored. Grid.y counts the active experts; places beyond their number end at once.
#pragma once
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/quantize_rows.cuh"
#include "kernels/cuda/row_product.cuh"
#include "kernels/ops/row_groups.h"
#include "runtime/base/exec.h"

namespace shoal::kernels::cuda {

// Matrices of equal shape, one an expert, one after another.
struct ExpertPlanes {
  WeightPlanes first;
  int64_t body_stride, head_stride;  // bytes from one expert to the next

  __device__ WeightPlanes of(int expert) const {
    return {first.bodies + expert * body_stride, first.heads + expert * head_stride};
  }
};

struct ExpertGroup {
  int expert;
  int first_slot, num_rows;  // num_rows 0: nothing to do here
};

struct GroupTable {
  const int32_t* starts;
  const int32_t* row_of_slot;
  const int32_t* active;
  const int32_t* num_active;

  __device__ ExpertGroup of_block() const {
    if (static_cast<int>(blockIdx.y) >= *num_active) return {0, 0, 0};
    const int expert = active[blockIdx.y];
    return {expert, starts[expert], starts[expert + 1] - starts[expert]};
  }
};

inline GroupTable group_table(const RowGroups& groups) {
  return {groups.starts, groups.row_of_slot, groups.active, groups.num_active};
}

// Gate and up, and where SiLU(gate) * up goes. A thread block makes 32 columns, one 32-block.
struct InnerRows {
  int columns;
  float* f32;       // [slots, columns]; null where the quantised form is written
  int16_t* values;  // [slots, columns]
  float* scales;    // [slots, columns / 32]
  float* sums;
};

inline constexpr int kInnerColumns = 32;

// Row `slot` of this thread block's columns, by one warp, `value` being this thread's column.
__device__ inline void store_inner(const InnerRows& inner, int64_t slot, float value) {
  const int column = blockIdx.x * kInnerColumns + threadIdx.x % 32;
  if (inner.f32 != nullptr) {
    if (column < inner.columns) inner.f32[slot * inner.columns + column] = value;
    return;
  }
  const QuantizedColumn quantized = quantize_column(value, kInt16Limit);
  inner.values[slot * inner.columns + column] = static_cast<int16_t>(quantized.value);
  if (threadIdx.x % 32 == 0) {
    const int64_t block = slot * (inner.columns / kActivationBlock) + blockIdx.x;
    inner.scales[block] = quantized.scale;
    inner.sums[block] = quantized.sum;
  }
}

struct GateUpCall {
  ExpertPlanes gate, up;
  GroupTable groups;
  RowInput input;    // int8 rows, one a token
  const float* f32;  // the rows of float experts
  int cols;
  InnerRows inner;
};

struct DownCall {
  ExpertPlanes down;
  GroupTable groups;
  RowInput input;  // int16 rows, one a slot
  const float* f32;
  int cols, num_outputs;
  float* output;  // [slots, num_outputs]
};

// How a backend's launch goes: the most experts that can be active, and where.
struct ExpertGrid {
  int max_active;
  Stream stream;
};

// By rows, for few rows an expert; on the tensor cores, for many. Types checked by the caller.
void gate_up_rows(const GateUpCall& call, DType dtype, const ExpertGrid& grid);
void down_rows(const DownCall& call, DType dtype, const ExpertGrid& grid);
void gate_up_tiles(const GateUpCall& call, DType dtype, const ExpertGrid& grid);
void down_tiles(const DownCall& call, DType dtype, const ExpertGrid& grid);
// Float experts.
void gate_up_floats(const GateUpCall& call, DType dtype, const ExpertGrid& grid);
void down_floats(const DownCall& call, DType dtype, const ExpertGrid& grid);

}  // namespace shoal::kernels::cuda
