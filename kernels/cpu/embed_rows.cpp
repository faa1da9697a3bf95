#include <functional>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/quant/decode_row.h"
#include "runtime/base/check.h"

namespace shoal::kernels::cpu {

void embed_rows(const EmbedRowsParams& params, const Exec& exec) {
  const WeightView& table = params.table;
  const int64_t num_tokens = params.token_ids.rows();
  SHOAL_ASSERT(params.output.cols() == table.cols && params.output.rows() == num_tokens,
               "output {} x {}, {} tokens of {}",
               params.output.rows(),
               params.output.cols(),
               num_tokens,
               table.cols);
  const int32_t* const ids = params.token_ids.i32();
  float* const output = params.output.f32();
  const auto decode_tokens = [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      SHOAL_ASSERT(ids[n] >= 0 && ids[n] < table.rows, "token id {} of {}", ids[n], table.rows);
      decode_row(table.dtype, table.row(ids[n]), table.cols, output + n * table.cols);
    }
  };
  exec.pool->parallel_for(num_tokens, 2, std::cref(decode_tokens));
}

}  // namespace shoal::kernels::cpu
