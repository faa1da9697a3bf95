// Tokens and rows by index, for steps whose tokens only the device knows. Arrays lie where the
// backend computes.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/base/tensor_view.h"

namespace shoal::kernels {

// token_ids[first row of s] = last_tokens[slots[s]] for each sequence whose first token is negative
// (plan::kPreviousSample).
struct FillTokensParams {
  TensorView token_ids;        // [n] i32, in place
  TensorView sequence_starts;  // [num_sequences + 1] i32
  TensorView slots;            // [num_sequences] i32
  const int32_t* last_tokens;  // [num_slots]
};

// output[i] = input[row_ids[i]].
struct GatherRowsParams {
  TensorView input;    // [n, cols] f32
  TensorView row_ids;  // [m] i32
  TensorView output;   // [m, cols] f32
};

// The largest logit of each row outside `masked`, ties to the lowest id; and last_tokens[slots[i]]
// becomes it. Needs Exec::workspace of argmax_workspace(m) bytes. NaN counts as smaller than
// everything; a row of NaN gives the lowest id not masked.
inline constexpr size_t argmax_workspace(int64_t rows) { return static_cast<size_t>(rows) * 512; }

struct ArgmaxRowsParams {
  TensorView logits;                // [m, vocab] f32
  const int32_t* masked = nullptr;  // [num_masked] rising
  int num_masked = 0;
  TensorView token_ids;  // [m] i32 out
  TensorView slots;      // [m] i32
  int32_t* last_tokens;  // [num_slots]
};

}  // namespace shoal::kernels
