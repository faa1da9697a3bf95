#include "kernels/cuda/op_checks.h"

#include <fmt/format.h>

#include "kernels/lanes.h"
#include "kernels/quant/split_blocks.h"
#include "runtime/base/check.h"
#include "runtime/base/error.h"

namespace shoal::kernels::cuda {
namespace {

void check_activation_address(const ActivationRows& input) {
  const auto address = reinterpret_cast<uintptr_t>(input.values);
  SHOAL_ASSERT(
      input.format == ActivationFormat::kF32 || address % 16 == 0, "activations at {:#x}", address);
}

}  // namespace

void check_weight(const WeightView& weight) {
  const auto address = reinterpret_cast<uintptr_t>(weight.data);
  if (!is_quantized(weight.dtype)) {
    SHOAL_ASSERT(address % 4 == 0, "{} weights at {:#x}", dtype_name(weight.dtype), address);
    SHOAL_ASSERT(
        weight.scale == 1, "{} weights with scale {}", dtype_name(weight.dtype), weight.scale);
    return;
  }
  if (!find_block_cut(weight.dtype)) {
    SHOAL_ASSERT(weight.layout == WeightLayout::kGguf && address % 2 == 0,
                 "{} weights at {:#x}, layout {}",
                 dtype_name(weight.dtype),
                 address,
                 static_cast<int>(weight.layout));
    return;
  }
  SHOAL_ASSERT(weight.layout == WeightLayout::kSplit, "{} not split", dtype_name(weight.dtype));
  SHOAL_ASSERT(address % 16 == 0 && reinterpret_cast<uintptr_t>(weight.heads) % 16 == 0,
               "{} weights at {:#x}, heads at {}",
               dtype_name(weight.dtype),
               address,
               static_cast<const void*>(weight.heads));
}

void check_quantize_rows(const QuantizeRowsParams& params) {
  SHOAL_ASSERT(params.rows.cols() % kActivationBlock == 0, "{} columns", params.rows.cols());
  SHOAL_ASSERT(params.format != ActivationFormat::kF32, "nothing to quantise to");
}

void check_matmul(const MatmulParams& params) {
  check_weight(params.weight);
  check_product(params.weight, params.input, params.weight.layout);
  SHOAL_ASSERT(params.input.format != ActivationFormat::kInt8, "dense rows are int16");
  check_activation_address(params.input);
  SHOAL_ASSERT(
      params.output.rows() == params.input.rows && params.output.cols() == params.weight.rows,
      "output {} x {}, product {} x {}",
      params.output.rows(),
      params.output.cols(),
      params.input.rows,
      params.weight.rows);
}

void check_embed_rows(const EmbedRowsParams& params) {
  check_weight(params.table);
  SHOAL_ASSERT(
      params.output.cols() == params.table.cols && params.output.rows() == params.token_ids.rows(),
      "output {} x {}, {} tokens of {}",
      params.output.rows(),
      params.output.cols(),
      params.token_ids.rows(),
      params.table.cols);
}

void check_project(const ProjectParams& params, int max_matrices) {
  SHOAL_ASSERT(params.projections.size() <= static_cast<size_t>(max_matrices),
               "{} matrices in one call",
               params.projections.size());
  for (const Projection& projection : params.projections)
    check_matmul(
        {projection.weight, params.input.for_weight(projection.weight), projection.output});
}

void check_norm_inputs(const NormInputsParams& params) {
  SHOAL_ASSERT(params.output.f32 != nullptr || params.hidden.rows() == 0, "no rows to write");
  SHOAL_ASSERT(params.hidden.cols() % kActivationBlock == 0, "{} columns", params.hidden.cols());
}

void check_group_rows(const GroupRowsParams& params) {
  SHOAL_ASSERT(params.groups.num_experts > 0 && params.groups.num_experts <= kMaxExperts &&
                   params.topk_ids.elements() == params.groups.num_pairs &&
                   params.groups.num_pairs / params.groups.num_topk <= UINT16_MAX,
               "{} ids, {} pairs, {} experts",
               params.topk_ids.elements(),
               params.groups.num_pairs,
               params.groups.num_experts);
}

namespace {

// All experts' matrices lie at one stride, that of the first two.
void check_expert_stride(const ExpertMlpParams& params, WeightView ExpertWeights::*matrix) {
  const WeightView& first = params.experts.front().*matrix;
  check_weight(first);
  if (params.experts.size() < 2) return;
  const WeightView& second = params.experts[1].*matrix;
  const WeightView& last = params.experts.back().*matrix;
  const auto steps = static_cast<int64_t>(params.experts.size()) - 1;
  SHOAL_ASSERT(last.data - first.data == steps * (second.data - first.data) &&
                   last.heads - first.heads == steps * (second.heads - first.heads) &&
                   last.dtype == first.dtype && last.rows == first.rows && last.cols == first.cols,
               "experts of a {} matrix do not follow each other",
               dtype_name(first.dtype));
}

}  // namespace

void check_expert_mlp(const ExpertMlpParams& params) {
  SHOAL_ASSERT(params.groups != nullptr, "rows must be grouped on the device");
  SHOAL_ASSERT(params.groups->num_experts == static_cast<int>(params.experts.size()) &&
                   !params.experts.empty(),
               "{} experts, groups of {}",
               params.experts.size(),
               params.groups->num_experts);
  check_activation_address(params.input);
  check_expert_stride(params, &ExpertWeights::gate);
  check_expert_stride(params, &ExpertWeights::up);
  check_expert_stride(params, &ExpertWeights::down);
  const ExpertWeights& first = params.experts.front();
  if (first.gate.dtype != first.up.dtype &&
      !(is_quantized(first.gate.dtype) && is_quantized(first.up.dtype)))
    throw Error(ExitCode::kBadModel,
                fmt::format("the CUDA backend takes experts whose gate and up are both quantised "
                            "or of one float type, not {} and {}",
                            dtype_name(first.gate.dtype),
                            dtype_name(first.up.dtype)));
  SHOAL_ASSERT(is_quantized(first.gate.dtype) == (params.input.format == ActivationFormat::kInt8) &&
                   params.input.format != ActivationFormat::kInt16,
               "experts take int8 rows, float experts f32");
  SHOAL_ASSERT(!is_quantized(first.down.dtype) || first.down.cols % kActivationBlock == 0,
               "{} inner columns",
               first.down.cols);
}

void check_rotary(const QkNormRopeParams& params) {
  SHOAL_ASSERT(params.rotary_dim % 2 == 0 && params.rotary_dim >= 0 &&
                   params.rotary_dim <= kMaxRotaryDim && params.rotary_dim <= params.head_dim,
               "rotary_dim {} of {}",
               params.rotary_dim,
               params.head_dim);
}

void check_router(const RouterParams& params) {
  SHOAL_ASSERT(params.logits.cols() <= kMaxExperts && params.num_topk <= params.logits.cols(),
               "{} of {} experts",
               params.num_topk,
               params.logits.cols());
}

void check_conv(const ConvParams& params) {
  SHOAL_ASSERT(params.kernel >= 1 && params.kernel <= kMaxConvKernel, "kernel {}", params.kernel);
}

void check_delta_net(const DeltaNetParams& params) {
  SHOAL_ASSERT(params.dim % kLanes == 0 && params.dim <= kMaxDeltaNetDim, "dim {}", params.dim);
}

void check_attention(const AttentionParams& params) {
  SHOAL_ASSERT(params.num_kv_heads > 0 && params.num_heads % params.num_kv_heads == 0,
               "{} query heads on {} KV heads",
               params.num_heads,
               params.num_kv_heads);
  SHOAL_ASSERT(params.head_dim > 0 && params.head_dim % kLanes == 0 &&
                   params.head_dim <= kMaxAttentionHeadDim &&
                   params.query_stride >= params.head_dim,
               "head_dim {}, query_stride {}",
               params.head_dim,
               params.query_stride);
  SHOAL_ASSERT(params.cache.block_size > 0 && kAttentionSplit % params.cache.block_size == 0,
               "block_size {}",
               params.cache.block_size);
}

void check_workspace(std::span<const std::byte> workspace, size_t needed) {
  SHOAL_ASSERT(
      workspace.size() >= needed, "workspace of {} bytes, {} needed", workspace.size(), needed);
}

}  // namespace shoal::kernels::cuda
