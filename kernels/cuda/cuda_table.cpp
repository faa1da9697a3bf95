#include "kernels/cuda/cuda_ops.h"
#include "kernels/ops/composed.h"
#include "runtime/base/error.h"
#include "runtime/device/cuda_check.h"

namespace shoal::kernels::cuda {
namespace {

constexpr KernelTable kTable = {
    .name = "cuda",
    .quantize_rows = quantize_rows,
    .matmul = matmul,
    .expert_mlp = expert_mlp,
    .embed_rows = embed_rows,
    .rms_norm = rms_norm,
    .qk_norm_rope = qk_norm_rope,
    .attention = attention,
    .conv_silu = conv_silu,
    .delta_net = delta_net,
    .gated_norm = gated_norm,
    .router_topk = router_topk,
    .silu_mul = silu_mul,
    .sigmoid_mul = sigmoid_mul,
    .add_scaled = add_scaled,
    .norm_inputs = composed::norm_inputs<add_scaled, rms_norm, quantize_rows>,
    .project = composed::project<matmul>,
    .delta_mix = composed::delta_mix<conv_silu, delta_net, gated_norm, quantize_rows>,
    .attention_mix = composed::attention_mix<qk_norm_rope, attention, sigmoid_mul, quantize_rows>,
    .silu_inputs = composed::silu_inputs<silu_mul, quantize_rows>,
    .group_rows = group_rows,
    .combine_rows = combine_rows,
    .fill_tokens = fill_tokens,
    .gather_rows = gather_rows,
    .argmax_rows = argmax_rows};

}  // namespace

const KernelTable& kernel_table() {
  std::string reason;
  if (!device::cuda_answers(reason)) throw Error(ExitCode::kUsage, "no GPU answers: " + reason);
  return kTable;
}

}  // namespace shoal::kernels::cuda
