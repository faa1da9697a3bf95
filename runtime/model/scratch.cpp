#include "runtime/model/scratch.h"

#include <algorithm>

#include "kernels/ops/expert_mlp.h"
#include "runtime/base/check.h"

namespace shoal::model {
namespace {

device::Memory compute_bytes(Backend backend, int64_t elements, size_t element_bytes) {
  return {device::compute_memory(backend), static_cast<size_t>(elements) * element_bytes};
}

// Columns of the widest rows that the last matrix of a block reads.
int64_t inner_cols(const loader::ModelConfig& config) {
  return std::max({int64_t{config.num_heads} * config.head_dim,
                   config.value_dim(),
                   config.shared_intermediate_size});
}

// Queries with their gates, or the convolution's input.
int64_t raw_cols(const loader::ModelConfig& config) {
  return std::max(int64_t{config.num_heads} * 2 * config.head_dim, config.conv_dim());
}

// A device's attention takes what room there is to work on a sequence's splits at once.
constexpr size_t kSplitsBytes = 128u << 20;

size_t workspace_bytes(const loader::ModelConfig& config, const StepSizes& sizes) {
  const size_t experts =
      kernels::expert_mlp_workspace(sizes.max_expert_rows, config.moe_intermediate_size);
  return sizes.backend == Backend::kCuda ? std::max(experts, kSplitsBytes) : experts;
}

}  // namespace

Rows::Rows(Backend backend, int64_t max_rows, int64_t max_cols)
    : memory_(compute_bytes(backend, max_rows * max_cols, sizeof(float))) {}

TensorView Rows::f32(int64_t rows, int64_t cols) const {
  SHOAL_ASSERT(static_cast<size_t>(rows * cols) * sizeof(float) <= memory_.size(),
               "{} x {} in {} bytes",
               rows,
               cols,
               memory_.size());
  return view_f32(memory_.as<float>(), rows, cols);
}

TensorView Rows::i32(int64_t rows, int64_t cols) const {
  TensorView view = f32(rows, cols);
  view.dtype = DType::kI32;
  return view;
}

kernels::QuantizedRows InputBuffer::Quantized::rows() const {
  return {.values = values.data(), .scales = scales.as<float>(), .sums = sums.as<float>()};
}

InputBuffer::Quantized InputBuffer::make(Backend backend, int64_t elements, size_t element_bytes) {
  const int64_t blocks = elements / kernels::kActivationBlock;
  return {.values = compute_bytes(backend, elements, element_bytes),
          .scales = compute_bytes(backend, blocks, sizeof(float)),
          .sums = compute_bytes(backend, blocks, sizeof(float))};
}

InputBuffer::InputBuffer(Backend backend, int64_t max_rows, int64_t max_cols, Formats formats)
    : f32_(backend, max_rows, max_cols) {
  const int64_t elements = max_rows * max_cols;
  if (formats.int16) int16_ = make(backend, elements, sizeof(int16_t));
  if (formats.int8) int8_ = make(backend, elements, sizeof(int8_t));
}

kernels::InputRows InputBuffer::rows(int64_t rows, int64_t cols, Formats formats) const {
  kernels::InputRows out{.rows = rows, .cols = cols, .f32 = f32_.f32(rows, cols).f32()};
  if (formats.int16) out.int16 = int16_.rows();
  if (formats.int8) out.int8 = int8_.rows();
  return out;
}

Scratch::Scratch(const loader::ModelConfig& config, const StepSizes& sizes)
    : input(sizes.backend, sizes.max_tokens, config.hidden_size, {.int16 = true, .int8 = true}),
      inner(sizes.backend, sizes.max_tokens, inner_cols(config), {.int16 = true}),
      raw(sizes.backend, sizes.max_tokens, raw_cols(config)),
      mixed(sizes.backend, sizes.max_tokens, config.conv_dim()),
      gate(sizes.backend, sizes.max_tokens, config.value_dim()),
      key(sizes.backend, sizes.max_tokens, int64_t{config.num_kv_heads} * config.head_dim),
      value(sizes.backend, sizes.max_tokens, int64_t{config.num_kv_heads} * config.head_dim),
      alpha(sizes.backend, sizes.max_tokens, config.num_v_heads),
      beta(sizes.backend, sizes.max_tokens, config.num_v_heads),
      projected(sizes.backend, sizes.max_tokens, config.hidden_size),
      router_logits(sizes.backend, sizes.max_tokens, config.num_experts),
      topk_ids(sizes.backend, sizes.max_tokens, config.num_topk),
      topk_weights(sizes.backend, sizes.max_tokens, config.num_topk),
      shared_gate(sizes.backend, sizes.max_tokens, config.shared_intermediate_size),
      shared_up(sizes.backend, sizes.max_tokens, config.shared_intermediate_size),
      shared_router(sizes.backend, sizes.max_tokens, 1),
      expert_out(sizes.backend, sizes.max_expert_rows, config.hidden_size),
      workspace(device::compute_memory(sizes.backend), workspace_bytes(config, sizes)) {}

}  // namespace shoal::model
