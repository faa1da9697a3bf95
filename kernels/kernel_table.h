// One backend as a table of functions, one call an op. Every op has a scalar twin in
// kernels/reference with the same Params; the backends equal it bit for bit unless the op's header
// says otherwise.
#pragma once
#include "kernels/ops/attention.h"
#include "kernels/ops/delta_net.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/expert_mlp.h"
#include "kernels/ops/fused.h"
#include "kernels/ops/matmul.h"
#include "kernels/ops/norm.h"
#include "kernels/ops/router.h"
#include "kernels/ops/row_groups.h"
#include "kernels/ops/token_rows.h"
#include "runtime/base/backend.h"
#include "runtime/base/exec.h"

namespace shoal::kernels {

template <class Params>
using Kernel = void (*)(const Params&, const Exec&);

struct KernelTable {
  const char* name;  // "reference", "avx2", "cuda"
  Kernel<QuantizeRowsParams> quantize_rows;
  Kernel<MatmulParams> matmul;
  Kernel<ExpertMlpParams> expert_mlp;
  Kernel<EmbedRowsParams> embed_rows;
  Kernel<RmsNormParams> rms_norm;
  Kernel<QkNormRopeParams> qk_norm_rope;
  Kernel<AttentionParams> attention;
  Kernel<ConvParams> conv_silu;
  Kernel<DeltaNetParams> delta_net;
  Kernel<GatedNormParams> gated_norm;
  Kernel<RouterParams> router_topk;
  Kernel<SiluMulParams> silu_mul;
  Kernel<SigmoidMulParams> sigmoid_mul;
  Kernel<AddScaledParams> add_scaled;
  // Sequences of the ops above that a backend may run in one launch.
  Kernel<NormInputsParams> norm_inputs;
  Kernel<ProjectParams> project;
  Kernel<DeltaMixParams> delta_mix;
  Kernel<AttentionMixParams> attention_mix;
  Kernel<SiluInputsParams> silu_inputs;
  bool experts_take_shared;  // expert_mlp runs ExpertMlpParams::shared
  // Routing and tokens that only the device knows.
  Kernel<GroupRowsParams> group_rows;
  Kernel<CombineRowsParams> combine_rows;
  Kernel<MapIdsParams> map_ids;
  Kernel<PlacePairsParams> place_pairs;
  Kernel<MoveRowsParams> move_rows;
  Kernel<FillTokensParams> fill_tokens;
  Kernel<GatherRowsParams> gather_rows;
  Kernel<ArgmaxRowsParams> argmax_rows;
};

// kCpu picks the widest instruction set that this machine runs (SHOAL_FORCE_ISA narrows it).
// Throws Error(kUsage) for a backend that this build lacks.
const KernelTable& select_kernels(Backend backend);

}  // namespace shoal::kernels
