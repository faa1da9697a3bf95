#include <algorithm>
#include <functional>

#include "kernels/cpu/avx512_ops.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/piece_size.h"
#include "kernels/cpu/row_product.h"
#include "runtime/base/check.h"

namespace shoal::kernels::cpu {

namespace {

void multiply(const MatmulParams& params, const Exec& exec, MultiplyRows multiply_rows) {
  const WeightView& weight = params.weight;
  check_product(weight, params.input);
  SHOAL_ASSERT(params.output.rows() == params.input.rows && params.output.cols() == weight.rows,
               "output {} x {}, product {} x {}",
               params.output.rows(),
               params.output.cols(),
               params.input.rows,
               weight.rows);
  if (params.input.rows == 0) return;
  float* const output = params.output.f32();
  const auto multiply_tiles = [&](int64_t begin, int64_t end) {
    const int64_t first_row = begin * kRowTile;
    multiply_rows({.weight = &weight,
                   .begin = first_row,
                   .end = std::min(end * kRowTile, weight.rows),
                   .input = params.input,
                   .output = output + first_row,
                   .output_stride = weight.rows});
  };
  const int64_t num_tiles = (weight.rows + kRowTile - 1) / kRowTile;
  const int64_t products_per_tile = kRowTile * weight.cols * params.input.rows;
  // By reference, so that the std::function takes no memory from the heap.
  exec.pool->parallel_for(num_tiles,
                          piece_size(num_tiles, products_per_tile, exec.pool->size()),
                          std::cref(multiply_tiles));
}

}  // namespace

void matmul(const MatmulParams& params, const Exec& exec) {
  multiply(params, exec, multiply_rows_avx2);
}

void matmul_avx512(const MatmulParams& params, const Exec& exec) {
  multiply(params, exec, multiply_rows_avx512);
}

}  // namespace shoal::kernels::cpu
