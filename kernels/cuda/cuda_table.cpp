#include "kernels/cuda/cuda_ops.h"
#include "runtime/base/error.h"
#include "runtime/device/cuda_check.h"

namespace shoal::kernels::cuda {
namespace {

constexpr KernelTable kTable = {.name = "cuda",
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
                                .norm_inputs = norm_inputs,
                                .project = project,
                                .delta_mix = delta_mix,
                                .attention_mix = attention_mix,
                                .silu_inputs = silu_inputs,
                                .experts_take_shared = true,
                                .group_rows = group_rows,
                                .combine_rows = combine_rows,
                                .map_ids = map_ids,
                                .place_pairs = place_pairs,
                                .move_rows = move_rows,
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
