#include "kernels/ops/expert_mlp.h"

#include "kernels/math.h"
#include "kernels/reference/reference_ops.h"
#include "kernels/reference/row_dot.h"

namespace shoal::kernels::reference {
namespace {

// inner[n] = SiLU(gate x[n]) * (up x[n]) for the expert's rows, which with groups are slots.
void gate_and_up(const ExpertWeights& expert,
                 const ExpertMlpParams& params,
                 const ActiveExpert& active,
                 float* inner) {
  const int64_t intermediate = expert.up.rows;
  for (int64_t i = 0; i < intermediate; ++i) {
    const DecodedRow gate(expert.gate, i);
    const DecodedRow up(expert.up, i);
    for (int64_t n = active.first_row; n < active.first_row + active.num_rows; ++n) {
      const int64_t row = params.groups != nullptr ? params.groups->row_of_slot[n] : n;
      inner[n * intermediate + i] = silu(gate.dot(params.input, row)) * up.dot(params.input, row);
    }
  }
}

int64_t list_grouped_experts(const RowGroups& groups, ActiveExpert* active) {
  int64_t num_active = 0;
  for (; num_active < groups.num_experts && groups.active[num_active].num_rows > 0; ++num_active) {
    const ActiveRows& rows = groups.active[num_active];
    active[num_active] = {rows.expert, rows.num_rows, rows.first_slot};
  }
  return num_active;
}

ActivationRows inner_rows(const WeightView& down,
                          const ExpertScratch& scratch,
                          int64_t rows,
                          const Exec& exec) {
  if (!is_quantized(down.dtype))
    return {
        .format = ActivationFormat::kF32, .rows = rows, .cols = down.cols, .values = scratch.inner};
  const QuantizeRowsParams quantize = {.rows = view_f32(scratch.inner, rows, down.cols),
                                       .format = ActivationFormat::kInt16,
                                       .values = scratch.values,
                                       .scales = scratch.scales,
                                       .sums = scratch.sums};
  quantize_rows(quantize, exec);
  return {.format = ActivationFormat::kInt16,
          .rows = rows,
          .cols = down.cols,
          .values = scratch.values,
          .scales = scratch.scales,
          .sums = scratch.sums};
}

}  // namespace

void expert_mlp(const ExpertMlpParams& params, const Exec& exec) {
  if (params.input.rows == 0) return;
  const WeightView& first_down = params.experts.front().down;
  const int64_t num_rows = params.groups != nullptr ? params.groups->num_pairs : params.input.rows;
  const ExpertScratch scratch = carve_expert_scratch(exec.workspace, num_rows, first_down.cols);
  const int64_t num_active = params.groups != nullptr
                                 ? list_grouped_experts(*params.groups, scratch.active)
                                 : list_active_experts(params, scratch.active);
  for (int64_t a = 0; a < num_active; ++a) {
    const ActiveExpert& active = scratch.active[a];
    gate_and_up(params.experts[active.local_expert_idx], params, active, scratch.inner);
  }
  const ActivationRows inner = inner_rows(first_down, scratch, num_rows, exec);
  for (int64_t a = 0; a < num_active; ++a) {
    const ActiveExpert& active = scratch.active[a];
    const WeightView& down = params.experts[active.local_expert_idx].down;
    for (int64_t i = 0; i < down.rows; ++i) {
      const DecodedRow row(down, i);
      for (int64_t n = active.first_row; n < active.first_row + active.num_rows; ++n)
        params.output.row(n)[i] = row.dot(inner, n);
    }
  }
}

}  // namespace shoal::kernels::reference
