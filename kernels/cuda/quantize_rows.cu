#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/dependent_launch.cuh"
#include "kernels/cuda/op_checks.h"
#include "kernels/cuda/quantize_rows.cuh"
#include "runtime/device/cuda_launch.h"

namespace shoal::kernels::cuda {
namespace {

constexpr int kWarps = 4;

// A warp a 32-block.
template <class T>
__global__ void quantize_kernel(
    const float* x, int64_t num_blocks, T* values, float* scales, float* sums) {
  wait_for_inputs();
  const int64_t block = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (block >= num_blocks) return;
  const int64_t at = block * kActivationBlock + threadIdx.x % 32;
  const QuantizedColumn column = quantize_column(x[at], sizeof(T) == 1 ? kInt8Limit : kInt16Limit);
  values[at] = static_cast<T>(column.value);
  if (threadIdx.x % 32 == 0) {
    scales[block] = column.scale;
    sums[block] = column.sum;
  }
}

template <class T>
void launch(const QuantizeRowsParams& params, const Exec& exec) {
  const int64_t num_blocks = params.rows.elements() / kActivationBlock;
  device::Launch({.grid = dim3(static_cast<unsigned>((num_blocks + kWarps - 1) / kWarps)),
                  .block = dim3(32 * kWarps),
                  .stream = exec.stream,
                  .overlaps_previous = true})(quantize_kernel<T>,
                                              params.rows.f32(),
                                              num_blocks,
                                              static_cast<T*>(params.values),
                                              params.scales,
                                              params.sums);
}

}  // namespace

void quantize_rows(const QuantizeRowsParams& params, const Exec& exec) {
  check_quantize_rows(params);
  if (params.format == ActivationFormat::kInt8)
    launch<int8_t>(params, exec);
  else
    launch<int16_t>(params, exec);
}

}  // namespace shoal::kernels::cuda
