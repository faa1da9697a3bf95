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

struct GroupTable {
  const ActiveRows* active;
  const int32_t* row_of_slot;

  // num_rows is 0 where there is nothing to do.
  __device__ ActiveRows of_block() const {
    const int4 group = *reinterpret_cast<const int4*>(active + blockIdx.y);
    return {group.x, group.y, group.z, 0};
  }
};

inline GroupTable group_table(const RowGroups& groups) {
  return {groups.active, groups.row_of_slot};
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

// The shared expert, whose tokens' thread blocks follow those of the experts; no tokens: none.
struct SharedCall {
  WeightPlanes gate, up, down;
  RowInput input;  // int16 rows, one a token
  InnerRows inner;
  RowInput inner_input;  // the same, as rows of `down`
  float* output;         // [tokens, num_outputs]
  int num_tokens;
};

struct GateUpCall {
  ExpertPlanes gate, up;
  GroupTable groups;
  RowInput input;    // int8 rows, one a token
  const float* f32;  // the rows of float experts
  int cols;
  InnerRows inner;
  SharedCall shared;
};

struct DownCall {
  ExpertPlanes down;
  GroupTable groups;
  RowInput input;  // int16 rows, one a slot
  const float* f32;
  int cols, num_outputs;
  float* output;  // [slots, num_outputs]
  SharedCall shared;
};

// How a backend's launch goes: the most experts that can be active, the rows that one has on
// average, and where.
struct ExpertGrid {
  int max_active;
  int64_t mean_rows;   // rounded up
  int64_t num_tokens;  // of the step
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
