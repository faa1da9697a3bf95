// Quantised experts of few rows each: the way of expert_mlp.cu that asks for all weights
// of a thread block at once. Bits as everywhere (kernels/ops/expert_mlp.h).
#pragma once
#include "kernels/cuda/expert_groups.cuh"
#include "kernels/ops/expert_mlp.h"

namespace shoal::kernels::cuda {

struct ExpertSlabs {
  const ExpertWeights& first;   // all have its shapes and types
  const SharedExpert* shared;   // Q8_0, of the experts' shapes; or null
  ExpertPlanes gate, up, down;  // of all experts
  GroupTable groups;
  RowInput input;  // int8 rows, one a token
  float* inner;    // [slots, intermediate], scratch
  float* output;   // [slots, hidden]
};

// False, and nothing launched, where the device or the shapes do not allow it.
bool run_expert_slabs(const ExpertSlabs& experts, const ExpertGrid& grid);

}  // namespace shoal::kernels::cuda
