// The ops of which AVX-512 (F, BW, VL, VBMI and VNNI) has its own version; the others of that
// table are those of cpu_ops.h. The bits are the same.
#pragma once
#include "kernels/kernel_table.h"

namespace shoal::kernels::cpu {

void matmul_avx512(const MatmulParams& params, const Exec& exec);
void expert_mlp_avx512(const ExpertMlpParams& params, const Exec& exec);

}  // namespace shoal::kernels::cpu
