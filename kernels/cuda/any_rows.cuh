// The one slow path for quantised weights that the tuned kernels do not take: types without a split
// layout, matrices with a scale of their own, experts whose gate and up differ in type. Same bits.
#pragma once
#include "kernels/cuda/expert_groups.cuh"
#include "kernels/ops/expert_mlp.h"
#include "kernels/ops/fused.h"

namespace shoal::kernels::cuda {

// Whether the tuned kernels take this quantised matrix.
bool is_tuned(const WeightView& weight);

void multiply_any(const RowInput& input,
                  int64_t num_tokens,
                  const Projection& projection,
                  Stream stream);
void embed_any(const EmbedRowsParams& params, Stream stream);

// As gate_up_rows and down_rows, without the shared expert. Types and scales are those of
// `experts`.
void gate_up_any(const GateUpCall& call,
                 std::span<const ExpertWeights> experts,
                 const ExpertGrid& grid);
void down_any(const DownCall& call, std::span<const ExpertWeights> experts, const ExpertGrid& grid);

}  // namespace shoal::kernels::cuda
