#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/delta_call.h"
#include "kernels/cuda/op_checks.h"
#include "kernels/ops/composed.h"
#include "runtime/base/check.h"
#include "runtime/device/cuda_check.h"

namespace shoal::kernels::cuda {
namespace {

void check_mix(const DeltaMixParams& params) {
  check_conv(params.conv);
  check_delta_net(params.delta);
  const void* const arrays[] = {params.conv.weight,
                                params.conv.conv_state,
                                params.conv.output.data,
                                params.norm.gate.data,
                                params.norm.weight,
                                params.delta.state,
                                params.output.f32,
                                params.output.int16.values};
  // Copied and stored sixteen bytes at a time.
  for (const void* memory : arrays)
    SHOAL_ASSERT(reinterpret_cast<uintptr_t>(memory) % 16 == 0, "an array at {}", memory);
}

DeltaMixCall call_of(const DeltaMixParams& params) {
  return {.delta = delta_net_call(params.delta),
          .conv_input = params.conv.input.f32(),
          .conv_weight = params.conv.weight,
          .conv_state = params.conv.conv_state,
          .mixed = params.conv.output.f32(),
          .gate = params.norm.gate.f32(),
          .norm_weight = params.norm.weight,
          .norm_epsilon = params.norm.epsilon,
          .f32 = params.output.f32,
          .values = static_cast<int16_t*>(params.output.int16.values),
          .scales = params.output.int16.scales,
          .sums = params.output.int16.sums};
}

}  // namespace

void delta_mix(const DeltaMixParams& params, const Exec& exec) {
  const DeltaNetParams& delta = params.delta;
  const bool known_shape = (delta.dim == 64 || delta.dim == 128) &&
                           params.conv.kernel == kMixKernel &&
                           params.output.int16.values != nullptr;
  if (!known_shape)
    return composed::delta_mix<conv_silu, delta_net, gated_norm, quantize_rows>(params, exec);
  check_mix(params);
  const DeltaMixCall call = call_of(params);
  // As many rows as sequences: one each, for a step has no sequence without rows.
  if (delta.mixed.rows() != delta.num_sequences) return launch_delta_prefill(call, exec.stream);
  const bool conv_inside = device::has_dependent_launch() &&
                           delta.num_v_heads % delta.num_k_heads == 0 &&
                           delta.num_v_heads / delta.num_k_heads <= kMaxHeadsACluster;
  if (!conv_inside) conv_silu(params.conv, exec);
  launch_delta_decode(call, conv_inside ? ConvPlace::kInside : ConvPlace::kBefore, exec.stream);
}

}  // namespace shoal::kernels::cuda
