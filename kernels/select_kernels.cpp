#include <optional>
#include <string>

#include "kernels/cpu/avx512_ops.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/kernel_table.h"
#include "kernels/ops/composed.h"
#include "kernels/reference/reference_ops.h"
#include "runtime/base/env.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::kernels {
namespace {

constexpr KernelTable kReferenceTable = {
    .name = "reference",
    .quantize_rows = reference::quantize_rows,
    .matmul = reference::matmul,
    .expert_mlp = reference::expert_mlp,
    .embed_rows = reference::embed_rows,
    .rms_norm = reference::rms_norm,
    .qk_norm_rope = reference::qk_norm_rope,
    .attention = reference::attention,
    .conv_silu = reference::conv_silu,
    .delta_net = reference::delta_net,
    .gated_norm = reference::gated_norm,
    .router_topk = reference::router_topk,
    .silu_mul = reference::silu_mul,
    .sigmoid_mul = reference::sigmoid_mul,
    .add_scaled = reference::add_scaled,
    .norm_inputs =
        composed::norm_inputs<reference::add_scaled, reference::rms_norm, reference::quantize_rows>,
    .project = composed::project<reference::matmul>,
    .delta_mix = composed::delta_mix<reference::conv_silu,
                                     reference::delta_net,
                                     reference::gated_norm,
                                     reference::quantize_rows>,
    .attention_mix = composed::attention_mix<reference::qk_norm_rope,
                                             reference::attention,
                                             reference::sigmoid_mul,
                                             reference::quantize_rows>,
    .silu_inputs = composed::silu_inputs<reference::silu_mul, reference::quantize_rows>,
    .group_rows = reference::group_rows,
    .combine_rows = reference::combine_rows,
    .map_ids = reference::map_ids,
    .place_pairs = reference::place_pairs,
    .move_rows = reference::move_rows,
    .fill_tokens = reference::fill_tokens,
    .gather_rows = reference::gather_rows,
    .argmax_rows = reference::argmax_rows};

constexpr KernelTable kAvx2Table = {
    .name = "avx2",
    .quantize_rows = cpu::quantize_rows,
    .matmul = cpu::matmul,
    .expert_mlp = cpu::expert_mlp,
    .embed_rows = cpu::embed_rows,
    .rms_norm = cpu::rms_norm,
    .qk_norm_rope = cpu::qk_norm_rope,
    .attention = cpu::attention,
    .conv_silu = cpu::conv_silu,
    .delta_net = cpu::delta_net,
    .gated_norm = cpu::gated_norm,
    .router_topk = cpu::router_topk,
    .silu_mul = cpu::silu_mul,
    .sigmoid_mul = cpu::sigmoid_mul,
    .add_scaled = cpu::add_scaled,
    .norm_inputs = composed::norm_inputs<cpu::add_scaled, cpu::rms_norm, cpu::quantize_rows>,
    .project = composed::project<cpu::matmul>,
    .delta_mix =
        composed::delta_mix<cpu::conv_silu, cpu::delta_net, cpu::gated_norm, cpu::quantize_rows>,
    .attention_mix = composed::
        attention_mix<cpu::qk_norm_rope, cpu::attention, cpu::sigmoid_mul, cpu::quantize_rows>,
    .silu_inputs = composed::silu_inputs<cpu::silu_mul, cpu::quantize_rows>,
    .group_rows = reference::group_rows,
    .combine_rows = reference::combine_rows,
    .map_ids = reference::map_ids,
    .place_pairs = reference::place_pairs,
    .move_rows = reference::move_rows,
    .fill_tokens = reference::fill_tokens,
    .gather_rows = reference::gather_rows,
    .argmax_rows = reference::argmax_rows};

constexpr KernelTable make_avx512_table() {
  KernelTable table = kAvx2Table;
  table.name = "avx512";
  table.matmul = cpu::matmul_avx512;
  table.expert_mlp = cpu::expert_mlp_avx512;
  table.project = composed::project<cpu::matmul_avx512>;
  return table;
}
constexpr KernelTable kAvx512Table = make_avx512_table();

const KernelTable& select_cpu() {
  const std::optional<std::string> forced = forced_isa();
  if (!forced) {
    if (cpu::has_avx512()) return kAvx512Table;
    return cpu::has_avx2() ? kAvx2Table : kReferenceTable;
  }
  if (*forced == "reference") return kReferenceTable;
  if (*forced == "avx2" && cpu::has_avx2()) return kAvx2Table;
  if (*forced == "avx512" && cpu::has_avx512()) return kAvx512Table;
  throw Error(
      ExitCode::kUsage,
      "SHOAL_FORCE_ISA=" + printable(*forced) +
          ": not one of reference, avx2 and avx512 (with VNNI and VBMI), or not on this machine");
}

}  // namespace

const KernelTable& select_kernels(Backend backend) {
  switch (backend) {
    case Backend::kReference:
      return kReferenceTable;
    case Backend::kCpu:
      return select_cpu();
    case Backend::kCuda:
      return cuda::kernel_table();
  }
  throw Error(ExitCode::kUsage, "no such backend");
}

}  // namespace shoal::kernels
