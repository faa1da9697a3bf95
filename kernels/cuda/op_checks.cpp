#include "kernels/cuda/op_checks.h"

#include "kernels/lanes.h"
#include "runtime/base/check.h"
#include "runtime/base/error.h"

namespace shoal::kernels::cuda {
namespace {

uintptr_t alignment_of(DType dtype) {
  switch (dtype) {
    case DType::kQ4_K:
    case DType::kQ5_K:
      return 16;
    case DType::kIQ4_XS:
      return 8;
    case DType::kF32:
      return 4;
    case DType::kMXFP4:
      return 1;
    default:
      return 2;
  }
}

void check_weight_address(const WeightView& weight) {
  const auto address = reinterpret_cast<uintptr_t>(weight.data);
  SHOAL_ASSERT(address % alignment_of(weight.dtype) == 0,
               "{} weights at {:#x}",
               dtype_name(weight.dtype),
               address);
  SHOAL_ASSERT(weight.scale == 1, "{} weights with scale {}", dtype_name(weight.dtype), weight.scale);
}

void check_activation_address(const ActivationRows& input) {
  const auto address = reinterpret_cast<uintptr_t>(input.values);
  SHOAL_ASSERT(
      input.format == ActivationFormat::kF32 || address % 16 == 0, "activations at {:#x}", address);
}

}  // namespace

void check_quantize_rows(const QuantizeRowsParams& params) {
  SHOAL_ASSERT(params.rows.cols() % kActivationBlock == 0, "{} columns", params.rows.cols());
  SHOAL_ASSERT(params.format != ActivationFormat::kF32, "nothing to quantise to");
}

void check_matmul(const MatmulParams& params) {
  check_product(params.weight, params.input);
  check_weight_address(params.weight);
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
  check_weight_address(params.table);
  SHOAL_ASSERT(
      params.output.cols() == params.table.cols && params.output.rows() == params.token_ids.rows(),
      "output {} x {}, {} tokens of {}",
      params.output.rows(),
      params.output.cols(),
      params.token_ids.rows(),
      params.table.cols);
}

std::vector<ActiveExpert> check_expert_mlp(const ExpertMlpParams& params) {
  std::vector<ActiveExpert> active(static_cast<size_t>(params.input.rows));
  active.resize(static_cast<size_t>(list_active_experts(params, active.data())));
  check_activation_address(params.input);
  if (active.empty()) return active;
  const DType first = params.experts[active.front().local_expert_idx].gate.dtype;
  for (const ActiveExpert& one : active) {
    const ExpertWeights& expert = params.experts[one.local_expert_idx];
    for (const WeightView* weight : {&expert.gate, &expert.up, &expert.down})
      check_weight_address(*weight);
    if (expert.gate.dtype != first || expert.up.dtype != first)
      throw Error(ExitCode::kBadModel,
                  fmt::format("the CUDA backend takes experts whose gate and up are of one type, "
                              "not {}, {} and {}",
                              dtype_name(first),
                              dtype_name(expert.gate.dtype),
                              dtype_name(expert.up.dtype)));
  }
  SHOAL_ASSERT(!is_quantized(params.experts.front().down.dtype) ||
                   params.experts.front().down.cols % kActivationBlock == 0,
               "{} inner columns",
               params.experts.front().down.cols);
  return active;
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

}  // namespace shoal::kernels::cuda
