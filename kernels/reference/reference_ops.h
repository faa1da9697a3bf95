// The scalar twins, one a KernelTable field: obvious code that says what each op means. They run on
// the calling thread alone. Contracts: kernels/ops/*.h.
#pragma once
#include "kernels/kernel_table.h"

namespace shoal::kernels::reference {

void quantize_rows(const QuantizeRowsParams& params, const Exec& exec);
void matmul(const MatmulParams& params, const Exec& exec);
void expert_mlp(const ExpertMlpParams& params, const Exec& exec);
void embed_rows(const EmbedRowsParams& params, const Exec& exec);
void rms_norm(const RmsNormParams& params, const Exec& exec);
void qk_norm_rope(const QkNormRopeParams& params, const Exec& exec);
void attention(const AttentionParams& params, const Exec& exec);
void conv_silu(const ConvParams& params, const Exec& exec);
void delta_net(const DeltaNetParams& params, const Exec& exec);
void gated_norm(const GatedNormParams& params, const Exec& exec);
void router_topk(const RouterParams& params, const Exec& exec);
void silu_mul(const SiluMulParams& params, const Exec& exec);
void sigmoid_mul(const SigmoidMulParams& params, const Exec& exec);
void add_scaled(const AddScaledParams& params, const Exec& exec);

void group_rows(const GroupRowsParams& params, const Exec& exec);
void combine_rows(const CombineRowsParams& params, const Exec& exec);
void map_ids(const MapIdsParams& params, const Exec& exec);
void place_pairs(const PlacePairsParams& params, const Exec& exec);
void move_rows(const MoveRowsParams& params, const Exec& exec);
void fill_tokens(const FillTokensParams& params, const Exec& exec);
void gather_rows(const GatherRowsParams& params, const Exec& exec);
void argmax_rows(const ArgmaxRowsParams& params, const Exec& exec);

}  // namespace shoal::kernels::reference
