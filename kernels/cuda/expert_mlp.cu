// Two launches: gate, up, SiLU and the quantisation of what comes out for all active experts, then
// down. Rows are grouped on the device, so the grid is for the most experts that can be active.
#include <algorithm>

#include "kernels/cuda/any_rows.cuh"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/expert_slabs.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/ops/expert_mlp.h"

namespace shoal::kernels::cuda {
namespace {

// Measured: up to a few pairs rows win, from there on tiles, even where experts have one row each.
constexpr int64_t kMaxRowPairs = 40;

// Measured: on average one row an expert goes by slabs, which are walked anew for every two rows.
constexpr int64_t kMaxSlabRows = 1;

// check_expert_mlp has seen that all experts lie at this stride.
ExpertPlanes planes_of(std::span<const ExpertWeights> experts, WeightView ExpertWeights::*matrix) {
  const WeightView& first = experts.front().*matrix;
  ExpertPlanes planes = {weight_planes(first), 0, 0};
  if (experts.size() > 1) {
    planes.body_stride = (experts[1].*matrix).data - first.data;
    planes.head_stride = (experts[1].*matrix).heads - first.heads;
  }
  return planes;
}

bool are_tuned(std::span<const ExpertWeights> experts, WeightView ExpertWeights::*matrix) {
  return std::all_of(experts.begin(), experts.end(), [matrix](const ExpertWeights& expert) {
    return is_tuned(expert.*matrix);
  });
}

// Few tokens of a shared expert go along in the launches by rows.
constexpr int64_t kMaxSharedTokens = 16;

bool goes_along(const SharedExpert& shared, int64_t intermediate) {
  const ExpertWeights& weights = shared.weights;
  return shared.input.rows <= kMaxSharedTokens && weights.gate.dtype == DType::kQ8_0 &&
         weights.up.dtype == DType::kQ8_0 && weights.down.dtype == DType::kQ8_0 &&
         is_tuned(weights.gate) && is_tuned(weights.up) && is_tuned(weights.down) &&
         weights.gate.rows == intermediate;
}

RowInput int16_rows(const InputRows& rows) { return row_input(rows.in(ActivationFormat::kInt16)); }

SharedCall shared_call(const SharedExpert& shared) {
  return {.gate = weight_planes(shared.weights.gate),
          .up = weight_planes(shared.weights.up),
          .down = weight_planes(shared.weights.down),
          .input = int16_rows(shared.input),
          .inner = {.columns = static_cast<int>(shared.weights.down.cols),
                    .f32 = nullptr,
                    .values = static_cast<int16_t*>(shared.inner.int16.values),
                    .scales = shared.inner.int16.scales,
                    .sums = shared.inner.int16.sums},
          .inner_input = int16_rows(shared.inner),
          .output = shared.output.f32(),
          .num_tokens = static_cast<int>(shared.input.rows)};
}

void run_shared(const SharedExpert& shared, const Exec& exec) {
  const ExpertWeights& weights = shared.weights;
  const Projection first[] = {{weights.gate, shared.gate}, {weights.up, shared.up}};
  project({shared.input, first}, exec);
  silu_inputs({.mul = {.gate = shared.gate,
                       .up = shared.up,
                       .output = view_f32(shared.inner.f32, shared.inner.rows, shared.inner.cols)},
               .output = shared.inner},
              exec);
  const Projection second = {weights.down, shared.output};
  project({shared.inner, {&second, 1}}, exec);
}

}  // namespace

void expert_mlp(const ExpertMlpParams& params, const Exec& exec) {
  check_expert_mlp(params);
  const RowGroups& groups = *params.groups;
  if (groups.num_pairs == 0) return;
  const ExpertWeights& first = params.experts.front();
  const int64_t intermediate = first.down.cols;
  const ExpertScratch scratch =
      carve_expert_scratch(exec.workspace, groups.num_pairs, intermediate);
  const bool float_down = !is_quantized(first.down.dtype);
  const InnerRows inner = {.columns = static_cast<int>(intermediate),
                           .f32 = float_down ? scratch.inner : nullptr,
                           .values = scratch.values,
                           .scales = scratch.scales,
                           .sums = scratch.sums};
  GateUpCall gate_up = {.gate = planes_of(params.experts, &ExpertWeights::gate),
                        .up = planes_of(params.experts, &ExpertWeights::up),
                        .groups = group_table(groups),
                        .input = row_input(params.input),
                        .f32 = static_cast<const float*>(params.input.values),
                        .cols = static_cast<int>(params.input.cols),
                        .inner = inner};
  DownCall down = {.down = planes_of(params.experts, &ExpertWeights::down),
                   .groups = gate_up.groups,
                   .input = {scratch.values,
                             scratch.scales,
                             scratch.sums,
                             static_cast<int>(intermediate / kActivationBlock)},
                   .f32 = scratch.inner,
                   .cols = static_cast<int>(intermediate),
                   .num_outputs = static_cast<int>(first.down.rows),
                   .output = params.output.f32()};
  const int64_t likely = groups.likely_pairs > 0 ? groups.likely_pairs : groups.num_pairs;
  const ExpertGrid grid = {
      .max_active = static_cast<int>(std::min<int64_t>(groups.num_experts, groups.num_pairs)),
      .mean_rows = (likely + groups.num_experts - 1) / groups.num_experts,
      .num_tokens = groups.num_pairs / groups.num_topk,
      .stream = exec.stream};
  const bool tiles = likely > kMaxRowPairs;
  const bool float_gate = !is_quantized(first.gate.dtype);
  const bool any_gate = !float_gate && (first.gate.dtype != first.up.dtype ||
                                        !are_tuned(params.experts, &ExpertWeights::gate) ||
                                        !are_tuned(params.experts, &ExpertWeights::up));
  const bool any_down = !float_down && !are_tuned(params.experts, &ExpertWeights::down);
  const bool quantized = !float_gate && !float_down && !any_gate && !any_down;
  const bool along = params.shared != nullptr && goes_along(*params.shared, intermediate);
  if (quantized && grid.mean_rows <= kMaxSlabRows &&
      run_expert_slabs({.first = first,
                        .shared = along ? params.shared : nullptr,
                        .gate = gate_up.gate,
                        .up = gate_up.up,
                        .down = down.down,
                        .groups = gate_up.groups,
                        .input = gate_up.input,
                        .inner = scratch.inner,
                        .output = down.output},
                       grid)) {
    if (params.shared != nullptr && !along) run_shared(*params.shared, exec);
    return;
  }
  if (params.shared != nullptr) {
    if (!tiles && quantized && along)
      gate_up.shared = down.shared = shared_call(*params.shared);
    else
      run_shared(*params.shared, exec);
  }
  if (float_gate)
    gate_up_floats(gate_up, first.gate.dtype, grid);
  else if (any_gate)
    gate_up_any(gate_up, params.experts, grid);
  else
    (tiles ? gate_up_tiles : gate_up_rows)(gate_up, first.gate.dtype, grid);
  if (float_down)
    down_floats(down, first.down.dtype, grid);
  else if (any_down)
    down_any(down, params.experts, grid);
  else
    (tiles ? down_tiles : down_rows)(down, first.down.dtype, grid);
}

}  // namespace shoal::kernels::cuda
