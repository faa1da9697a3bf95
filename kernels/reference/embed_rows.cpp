#include "kernels/quant/decode_row.h"
#include "kernels/reference/reference_ops.h"
#include "runtime/base/check.h"

namespace shoal::kernels::reference {

void embed_rows(const EmbedRowsParams& params, const Exec&) {
  const WeightView& table = params.table;
  SHOAL_ASSERT(
      params.output.cols() == table.cols && params.output.rows() == params.token_ids.rows(),
      "output {} x {}, {} tokens of {}",
      params.output.rows(),
      params.output.cols(),
      params.token_ids.rows(),
      table.cols);
  for (int64_t n = 0; n < params.token_ids.rows(); ++n) {
    const int32_t id = params.token_ids.i32()[n];
    SHOAL_ASSERT(id >= 0 && id < table.rows, "token id {} of {}", id, table.rows);
    decode_row(table.dtype, table.row(id), table.cols, params.output.row(n));
  }
}

}  // namespace shoal::kernels::reference
