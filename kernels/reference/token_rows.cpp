#include "kernels/ops/token_rows.h"

#include <algorithm>

#include "kernels/reference/reference_ops.h"

namespace shoal::kernels::reference {

void fill_tokens(const FillTokensParams& params, const Exec&) {
  int32_t* ids = params.token_ids.i32();
  const int32_t* starts = params.sequence_starts.i32();
  for (int64_t s = 0; s < params.slots.rows(); ++s)
    if (starts[s] < starts[s + 1] && ids[starts[s]] < 0)
      ids[starts[s]] = params.last_tokens[params.slots.i32()[s]];
}

void gather_rows(const GatherRowsParams& params, const Exec&) {
  for (int64_t i = 0; i < params.row_ids.rows(); ++i)
    std::copy_n(
        params.input.row(params.row_ids.i32()[i]), params.input.cols(), params.output.row(i));
}

void argmax_rows(const ArgmaxRowsParams& params, const Exec&) {
  const int32_t* const masked_end = params.masked + params.num_masked;
  for (int64_t i = 0; i < params.logits.rows(); ++i) {
    const float* row = params.logits.row(i);
    const int32_t* masked = params.masked;
    int32_t best = -1;
    for (int32_t id = 0; id < params.logits.cols(); ++id) {
      if (masked != masked_end && *masked == id) {
        ++masked;
        continue;
      }
      // A NaN never wins, and a NaN that came first loses to any number.
      if (best < 0 || row[id] > row[best] || (row[best] != row[best] && row[id] == row[id]))
        best = id;
    }
    params.token_ids.i32()[i] = best;
    params.last_tokens[params.slots.i32()[i]] = best;
  }
}

}  // namespace shoal::kernels::reference
