// The routed experts that one rank holds: y = down(SiLU(gate x) * (up x)), unweighted.
// Rows come grouped by local expert, e.g. tokens_per_expert = {2, 0, 1}: rows 0 and 1 belong to
// local expert 0, row 2 to local expert 2. The inner activations are quantised to int16 before
// `down` (kept f32 where down is a float type): they never travel, and int8 there costs a greedy
// token on the demo model's 3-bit mix (docs/decisions.md). Row arithmetic: matmul.h.
#pragma once
#include <span>

#include "kernels/ops/input_rows.h"
#include "kernels/ops/matmul.h"
#include "kernels/ops/row_groups.h"

namespace shoal::kernels {

struct ExpertWeights {
  WeightView gate;  // [intermediate, hidden]
  WeightView up;    // [intermediate, hidden]
  WeightView down;  // [hidden, intermediate]
};

// The shared expert, on every token: what project (gate, up), silu_inputs and project (down) give.
struct SharedExpert {
  ExpertWeights weights;
  InputRows input;      // [tokens, hidden]
  TensorView gate, up;  // [tokens, intermediate] f32, scratch
  InputRows inner;      // [tokens, intermediate], scratch
  TensorView output;    // [tokens, hidden] f32
};

struct ExpertMlpParams {
  std::span<const ExpertWeights> experts;      // one per local expert
  std::span<const int32_t> tokens_per_expert;  // same length; sums to input.rows
  ActivationRows input;                        // [n, hidden]
  TensorView output;                           // [n, hidden] f32
  // Instead of tokens_per_expert, where the routing is known to the device only: input has a row a
  // token, output a row a slot, and the workspace is for num_pairs rows. CUDA wants the experts of
  // a matrix one after another in memory: experts[1].gate begins where experts[0].gate ends.
  const RowGroups* groups = nullptr;
  // Done too where the backend takes it (KernelTable::experts_take_shared); null elsewhere.
  const SharedExpert* shared = nullptr;
  // Scratch comes from Exec::workspace: at least expert_mlp_workspace(n, intermediate) bytes.
};

// Same for every backend.
size_t expert_mlp_workspace(int64_t rows, int64_t intermediate);

// One expert that got rows in this call.
struct ActiveExpert {
  int32_t local_expert_idx;
  int32_t num_rows;
  int64_t first_row;
};

// That workspace, carved up. Either `inner` (float down) or the other three are in use.
struct ExpertScratch {
  float* inner;          // [n, intermediate] SiLU(gate) * up
  int16_t* values;       // [n, intermediate], and
  float* scales;         // [n, intermediate / 32]
  float* sums;           // [n, intermediate / 32] the same rows as int16 activations
  ActiveExpert* active;  // [n] at most: every active expert has a row
};

// Asserts that the workspace is large enough.
ExpertScratch carve_expert_scratch(std::span<std::byte> workspace,
                                   int64_t rows,
                                   int64_t intermediate);

// Asserts the shapes, fills `active` and returns how many there are.
int64_t list_active_experts(const ExpertMlpParams& params, ActiveExpert* active);

}  // namespace shoal::kernels
