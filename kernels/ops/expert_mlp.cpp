#include "kernels/ops/expert_mlp.h"

#include "runtime/base/check.h"

namespace shoal::kernels {
namespace {

constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct ScratchSizes {
  size_t inner, values, scales, active;

  ScratchSizes(int64_t rows, int64_t intermediate) {
    const auto elements = static_cast<size_t>(rows * intermediate);
    inner = aligned(elements * sizeof(float));
    values = aligned(elements * sizeof(int16_t));
    scales = aligned(elements / kActivationBlock * sizeof(float));
    active = aligned(static_cast<size_t>(rows) * sizeof(ActiveExpert));
  }
  size_t total() const { return inner + values + 2 * scales + active; }
};

}  // namespace

size_t expert_mlp_workspace(int64_t rows, int64_t intermediate) {
  return ScratchSizes(rows, intermediate).total();
}

ExpertScratch carve_expert_scratch(std::span<std::byte> workspace,
                                   int64_t rows,
                                   int64_t intermediate) {
  const ScratchSizes sizes(rows, intermediate);
  SHOAL_ASSERT(workspace.size() >= sizes.total(),
               "workspace of {} bytes, {} rows of {} need {}",
               workspace.size(),
               rows,
               intermediate,
               sizes.total());
  std::byte* at = workspace.data();
  const auto take = [&at](size_t bytes) {
    std::byte* const begin = at;
    at += bytes;
    return begin;
  };
  ExpertScratch scratch;
  scratch.inner = reinterpret_cast<float*>(take(sizes.inner));
  scratch.values = reinterpret_cast<int16_t*>(take(sizes.values));
  scratch.scales = reinterpret_cast<float*>(take(sizes.scales));
  scratch.sums = reinterpret_cast<float*>(take(sizes.scales));
  scratch.active = reinterpret_cast<ActiveExpert*>(take(sizes.active));
  return scratch;
}

int64_t list_active_experts(const ExpertMlpParams& params, ActiveExpert* active) {
  SHOAL_ASSERT(params.experts.size() == params.tokens_per_expert.size(),
               "{} experts, {} counts",
               params.experts.size(),
               params.tokens_per_expert.size());
  int64_t num_active = 0;
  int64_t first_row = 0;
  for (size_t e = 0; e < params.experts.size(); ++e) {
    const int32_t num_rows = params.tokens_per_expert[e];
    SHOAL_ASSERT(num_rows >= 0 && first_row + num_rows <= params.input.rows,
                 "expert {}: {} rows after {} of {}",
                 e,
                 num_rows,
                 first_row,
                 params.input.rows);
    if (num_rows == 0) continue;
    const ExpertWeights& expert = params.experts[e];
    check_product(expert.gate, params.input);
    check_product(expert.up, params.input);
    SHOAL_ASSERT(expert.down.dtype == params.experts.front().down.dtype &&
                     expert.down.cols == params.experts.front().down.cols,
                 "expert {} is unlike the first: {} x {}",
                 e,
                 dtype_name(expert.down.dtype),
                 expert.down.cols);
    SHOAL_ASSERT(expert.gate.rows == expert.up.rows && expert.down.cols == expert.up.rows &&
                     expert.down.rows == params.output.cols(),
                 "expert {}: gate {}, up {}, down {} x {}, output {}",
                 e,
                 expert.gate.rows,
                 expert.up.rows,
                 expert.down.rows,
                 expert.down.cols,
                 params.output.cols());
    active[num_active++] = {static_cast<int32_t>(e), num_rows, first_row};
    first_row += num_rows;
  }
  SHOAL_ASSERT(first_row == params.input.rows,
               "{} rows for experts, {} given",
               first_row,
               params.input.rows);
  return num_active;
}

}  // namespace shoal::kernels
