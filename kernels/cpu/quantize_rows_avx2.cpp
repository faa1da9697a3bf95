#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/quantize_avx2.h"
#include "runtime/base/check.h"

namespace shoal::kernels::cpu {
namespace {

// About ten microseconds of work a piece.
constexpr int64_t kBlocksPerPiece = 1024;

template <class T>
void quantize(const QuantizeRowsParams& params, float limit, const Exec& exec) {
  const float* const rows = params.rows.f32();
  const auto quantize_blocks = [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      __m256 x[4];
      __m256i values[4];
      for (int i = 0; i < 4; ++i) x[i] = _mm256_loadu_ps(rows + kActivationBlock * j + 8 * i);
      const BlockScale block = quantize_block(x, limit, values);
      store_block(values, static_cast<T*>(params.values) + kActivationBlock * j);
      params.scales[j] = block.scale;
      params.sums[j] = block.sum;
    }
  };
  // By reference: a std::function of two pointers or fewer takes no memory from the heap.
  exec.pool->parallel_for(
      params.rows.elements() / kActivationBlock, kBlocksPerPiece, std::cref(quantize_blocks));
}

}  // namespace

void quantize_rows(const QuantizeRowsParams& params, const Exec& exec) {
  SHOAL_ASSERT(params.rows.cols() % kActivationBlock == 0, "{} columns", params.rows.cols());
  SHOAL_ASSERT(params.format != ActivationFormat::kF32, "nothing to quantise to");
  if (params.format == ActivationFormat::kInt8)
    quantize<int8_t>(params, 127.0f, exec);
  else
    quantize<int16_t>(params, 32767.0f, exec);
}

}  // namespace shoal::kernels::cpu
