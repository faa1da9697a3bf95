// One backend as a table of functions, one call an op. Every op has a scalar twin in
// kernels/reference with the same Params; the backends equal it bit for bit unless the op's header
// says otherwise.
#pragma once
#include "kernels/ops/attention.h"
#include "kernels/ops/delta_net.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/expert_mlp.h"
#include "kernels/ops/matmul.h"
#include "kernels/ops/norm.h"
#include "kernels/ops/router.h"
#include "runtime/base/backend.h"
#include "runtime/base/exec.h"

namespace shoal::kernels {

template <class Params>
using Kernel = void (*)(const Params&, const Exec&);

struct KernelTable {
  const char* name;  // "reference", "avx2"
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
};

// kCpu picks the widest instruction set that this machine runs (SHOAL_FORCE_ISA narrows it).
// Throws Error(kUsage) for a backend that this build lacks.
const KernelTable& select_kernels(Backend backend);

}  // namespace shoal::kernels
