// The assertions of the CUDA ops, apart because nvcc cannot read the formatting library's headers.
// Each asserts its op's shapes (kernels/ops/*.h) and what kernels/cuda/cuda_ops.h adds to them.
#pragma once
#include "kernels/kernel_table.h"

namespace shoal::kernels::cuda {

// Layout and address.
void check_weight(const WeightView& weight);
void check_quantize_rows(const QuantizeRowsParams& params);
void check_matmul(const MatmulParams& params);
void check_embed_rows(const EmbedRowsParams& params);
void check_project(const ProjectParams& params, int max_matrices);
void check_norm_inputs(const NormInputsParams& params);
void check_group_rows(const GroupRowsParams& params);
// Also throws Error(kBadModel) where gate and up are of different types and one is a float type.
void check_expert_mlp(const ExpertMlpParams& params);
void check_rotary(const QkNormRopeParams& params);
void check_router(const RouterParams& params);
void check_conv(const ConvParams& params);
void check_delta_net(const DeltaNetParams& params);
void check_attention(const AttentionParams& params);

void check_workspace(std::span<const std::byte> workspace, size_t needed);

inline constexpr int kMaxAttentionHeadDim = 256;

}  // namespace shoal::kernels::cuda
