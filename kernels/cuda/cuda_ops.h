// The CUDA backend, one function a KernelTable field; contracts in kernels/ops/*.h. What differs
// from the CPU backends:
// - every pointer inside Params is device memory, except the spans of ExpertMlpParams and
//   ProjectParams, which are host memory that need only live until the call returns;
//   Exec::workspace is device memory;
// - calls only enqueue on Exec::stream and return; nothing is allocated on the device;
// - quantised weights are in split layout; activation values begin at a multiple of 16;
// - dense products of quantised weights take int16 rows, experts int8 rows grouped on the device
//   (ExpertMlpParams::groups);
// - values that lie on the device (token ids, positions, block tables) cannot be asserted: a token
//   id outside the table gives a row of NaN, the others are the caller's word;
// - Q8_0, Q4_K, Q5_K, Q6_K, IQ3_XXS, IQ4_XS and MXFP4 have tuned kernels, F32, F16 and BF16
//   theirs; every other block type is in GGUF layout and goes a slower way (any_rows.cuh).
// Bits equal the reference's, NaN payloads aside, but for two places where double arithmetic of
// libm is rounded to f32 once: softplus in delta_net and the sine and cosine of the rotary angles.
// CUDA's functions are within two ulps of double there, so an f32 differs about once in 2^26.
#pragma once
#include "kernels/kernel_table.h"

namespace shoal::kernels::cuda {

// Throws Error(kUsage) with the reason where this build or this machine cannot run CUDA.
const KernelTable& kernel_table();

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

void norm_inputs(const NormInputsParams& params, const Exec& exec);
void project(const ProjectParams& params, const Exec& exec);
void delta_mix(const DeltaMixParams& params, const Exec& exec);
void attention_mix(const AttentionMixParams& params, const Exec& exec);
void silu_inputs(const SiluInputsParams& params, const Exec& exec);
void group_rows(const GroupRowsParams& params, const Exec& exec);
void combine_rows(const CombineRowsParams& params, const Exec& exec);
void map_ids(const MapIdsParams& params, const Exec& exec);
void place_pairs(const PlacePairsParams& params, const Exec& exec);
void move_rows(const MoveRowsParams& params, const Exec& exec);
void fill_tokens(const FillTokensParams& params, const Exec& exec);
void gather_rows(const GatherRowsParams& params, const Exec& exec);
void argmax_rows(const ArgmaxRowsParams& params, const Exec& exec);

}  // namespace shoal::kernels::cuda
