// The fused ops of kernels/ops/fused.h as sequences of a backend's other ops.
#pragma once
#include "kernels/ops/fused.h"
#include "runtime/base/exec.h"

namespace shoal::kernels::composed {

template <class Params>
using Op = void (*)(const Params&, const Exec&);

// Makes the integer formats out of the f32 rows.
template <Op<QuantizeRowsParams> kQuantize>
void quantize_inputs(const InputRows& rows, const Exec& exec) {
  const TensorView f32 = view_f32(rows.f32, rows.rows, rows.cols);
  const auto make = [&](ActivationFormat format, const QuantizedRows& to) {
    if (to.values == nullptr) return;
    kQuantize(
        {.rows = f32, .format = format, .values = to.values, .scales = to.scales, .sums = to.sums},
        exec);
  };
  make(ActivationFormat::kInt16, rows.int16);
  make(ActivationFormat::kInt8, rows.int8);
}

template <Op<AddScaledParams> kAdd, Op<RmsNormParams> kNorm, Op<QuantizeRowsParams> kQuantize>
void norm_inputs(const NormInputsParams& params, const Exec& exec) {
  if (params.addend.data != nullptr)
    kAdd({.input = params.addend, .gate = nullptr, .output = params.hidden}, exec);
  kNorm({.input = params.hidden,
         .weight = params.weight,
         .epsilon = params.epsilon,
         .output = view_f32(params.output.f32, params.output.rows, params.output.cols)},
        exec);
  quantize_inputs<kQuantize>(params.output, exec);
}

template <Op<MatmulParams> kMatmul>
void project(const ProjectParams& params, const Exec& exec) {
  for (const Projection& projection : params.projections)
    kMatmul({.weight = projection.weight,
             .input = params.input.for_weight(projection.weight),
             .output = projection.output},
            exec);
}

template <Op<ConvParams> kConv,
          Op<DeltaNetParams> kDelta,
          Op<GatedNormParams> kNorm,
          Op<QuantizeRowsParams> kQuantize>
void delta_mix(const DeltaMixParams& params, const Exec& exec) {
  kConv(params.conv, exec);
  kDelta(params.delta, exec);
  kNorm(params.norm, exec);
  quantize_inputs<kQuantize>(params.output, exec);
}

template <Op<QkNormRopeParams> kRope,
          Op<AttentionParams> kAttention,
          Op<SigmoidMulParams> kGate,
          Op<QuantizeRowsParams> kQuantize>
void attention_mix(const AttentionMixParams& params, const Exec& exec) {
  kRope(params.query, exec);
  kRope(params.key, exec);
  kAttention(params.attention, exec);
  kGate(params.gate, exec);
  quantize_inputs<kQuantize>(params.output, exec);
}

template <Op<SiluMulParams> kMul, Op<QuantizeRowsParams> kQuantize>
void silu_inputs(const SiluInputsParams& params, const Exec& exec) {
  kMul(params.mul, exec);
  quantize_inputs<kQuantize>(params.output, exec);
}

}  // namespace shoal::kernels::composed
