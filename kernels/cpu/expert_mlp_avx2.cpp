#include <algorithm>
#include <functional>

#include "kernels/cpu/avx512_ops.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/math_avx2.h"
#include "kernels/cpu/piece_size.h"
#include "kernels/cpu/quantize_avx2.h"
#include "kernels/cpu/row_product.h"
#include "kernels/cpu/thread_scratch.h"
#include "kernels/math.h"

namespace shoal::kernels::cpu {
namespace {

// Outputs of gate and up that one thread computes together: one block of activations for `down`,
// so that the thread quantises it at once.
constexpr int64_t kInnerTile = kActivationBlock;

struct Call {
  const ExpertMlpParams* params;
  MultiplyRows multiply_rows;
  ExpertScratch scratch;
  int64_t num_active;
  int64_t intermediate;
  int64_t hidden;
  bool quantized;  // inner activations
};

// [n][kInnerTile] results of one expert's rows; ends in the inner activations.
void finish_inner_tile(const Call& call,
                       const ActiveExpert& active,
                       int64_t column,
                       const float* gate,
                       const float* up) {
  for (int64_t n = 0; n < active.num_rows; ++n) {
    const int64_t at = (active.first_row + n) * call.intermediate + column;
    if (!call.quantized) {
      const int64_t count = std::min(kInnerTile, call.intermediate - column);
      for (int64_t i = 0; i < count; ++i)
        call.scratch.inner[at + i] =
            kernels::silu(gate[n * kInnerTile + i]) * up[n * kInnerTile + i];
      continue;
    }
    __m256 inner[4];
    __m256i values[4];
    for (int i = 0; i < 4; ++i)
      inner[i] = _mm256_mul_ps(silu(_mm256_loadu_ps(gate + n * kInnerTile + 8 * i)),
                               _mm256_loadu_ps(up + n * kInnerTile + 8 * i));
    const BlockScale block = quantize_block(inner, 32767.0f, values);
    store_block(values, call.scratch.values + at);
    call.scratch.scales[at / kActivationBlock] = block.scale;
    call.scratch.sums[at / kActivationBlock] = block.sum;
  }
}

void gate_and_up(const Call& call, const ActiveExpert& active, int64_t column) {
  const ExpertWeights& expert = call.params->experts[active.local_expert_idx];
  const int64_t elements = active.num_rows * kInnerTile;
  auto* const gate = reinterpret_cast<float*>(
      thread_scratch(ScratchSlot::kExpertTile, static_cast<size_t>(2 * elements) * sizeof(float)));
  float* const up = gate + elements;
  RowProduct product = {.weight = &expert.gate,
                        .begin = column,
                        .end = std::min(column + kInnerTile, call.intermediate),
                        .input = slice_rows(call.params->input, active.first_row, active.num_rows),
                        .output = gate,
                        .output_stride = kInnerTile};
  call.multiply_rows(product);
  product.weight = &expert.up;
  product.output = up;
  call.multiply_rows(product);
  finish_inner_tile(call, active, column, gate, up);
}

void down(const Call& call, const ActiveExpert& active, int64_t column) {
  ActivationRows inner = {.rows = call.params->input.rows, .cols = call.intermediate};
  if (call.quantized) {
    inner.format = ActivationFormat::kInt16;
    inner.values = call.scratch.values;
    inner.scales = call.scratch.scales;
    inner.sums = call.scratch.sums;
  } else {
    inner.values = call.scratch.inner;
  }
  float* const output = static_cast<float*>(call.params->output.data);
  call.multiply_rows({.weight = &call.params->experts[active.local_expert_idx].down,
                      .begin = column,
                      .end = std::min(column + kInnerTile, call.hidden),
                      .input = slice_rows(inner, active.first_row, active.num_rows),
                      .output = output + active.first_row * call.hidden + column,
                      .output_stride = call.hidden});
}

// Hands out (active expert, tile of outputs) pairs. Experts vary in rows, so pieces are sized by
// the mean.
template <class Body>
void for_each_tile(const Call& call,
                   int64_t outputs,
                   int64_t products_per_output,
                   const Exec& exec,
                   const Body& body) {
  const int64_t tiles_per_expert = (outputs + kInnerTile - 1) / kInnerTile;
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile)
      body(call.scratch.active[tile / tiles_per_expert], tile % tiles_per_expert * kInnerTile);
  };
  const int64_t mean_rows = (call.params->input.rows + call.num_active - 1) / call.num_active;
  const int64_t num_tiles = call.num_active * tiles_per_expert;
  exec.pool->parallel_for(
      num_tiles,
      piece_size(num_tiles, kInnerTile * products_per_output * mean_rows, exec.pool->size()),
      std::cref(run));
}

void run_experts(const ExpertMlpParams& params, const Exec& exec, MultiplyRows multiply_rows) {
  if (params.input.rows == 0) return;
  const ExpertWeights& first = params.experts.front();
  Call call = {.params = &params,
               .multiply_rows = multiply_rows,
               .scratch = carve_expert_scratch(exec.workspace, params.input.rows, first.down.cols),
               .num_active = 0,
               .intermediate = first.down.cols,
               .hidden = first.down.rows,
               .quantized = is_quantized(first.down.dtype)};
  call.num_active = list_active_experts(params, call.scratch.active);
  for_each_tile(
      call,
      call.intermediate,
      2 * params.input.cols,
      exec,
      [&](const ActiveExpert& active, int64_t column) { gate_and_up(call, active, column); });
  for_each_tile(
      call, call.hidden, call.intermediate, exec, [&](const ActiveExpert& active, int64_t column) {
        down(call, active, column);
      });
}

}  // namespace

void expert_mlp(const ExpertMlpParams& params, const Exec& exec) {
  run_experts(params, exec, multiply_rows_avx2);
}

void expert_mlp_avx512(const ExpertMlpParams& params, const Exec& exec) {
  run_experts(params, exec, multiply_rows_avx512);
}

}  // namespace shoal::kernels::cpu
