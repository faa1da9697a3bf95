#include "kernels/reference/reference_ops.h"
#include "kernels/reference/row_dot.h"
#include "runtime/base/check.h"

namespace shoal::kernels::reference {

void matmul(const MatmulParams& params, const Exec&) {
  const WeightView& weight = params.weight;
  check_product(weight, params.input);
  SHOAL_ASSERT(params.output.rows() == params.input.rows && params.output.cols() == weight.rows,
               "output {} x {}, product {} x {}",
               params.output.rows(),
               params.output.cols(),
               params.input.rows,
               weight.rows);
  for (int64_t out = 0; out < weight.rows; ++out) {
    const DecodedRow row(weight, out);
    for (int64_t n = 0; n < params.input.rows; ++n)
      params.output.row(n)[out] = row.dot(params.input, n);
  }
}

}  // namespace shoal::kernels::reference
