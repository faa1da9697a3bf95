// One 32-block of activations by one warp, a column a thread. Arithmetic: kernels/ops/matmul.h.
#pragma once
#include "kernels/cuda/math.cuh"
#include "kernels/ops/matmul.h"

namespace shoal::kernels::cuda {

struct QuantizedColumn {
  int value;    // this thread's column
  float scale;  // of the block, in every thread
  float sum;
};

// The order of the comparisons makes a NaN the limit.
__device__ inline int clamped_integer(float product, float limit) {
  const float below = product < limit ? product : limit;
  return __float2int_rn(below > -limit ? below : -limit);
}

__device__ inline QuantizedColumn quantize_column(float x, float limit) {
  const float magnitude = fabsf(x);
  // A NaN counts as no magnitude at all, as in the reference's comparison.
  const float largest = warp_max(magnitude > 0.0f ? magnitude : 0.0f);
  const float inverse = __fdiv_rn(limit, largest);
  if (isinf(inverse)) return {0, 0.0f, 0.0f};
  const int value = clamped_integer(x * inverse, limit);
  const float scale = __fdiv_rn(largest, limit);
  const int total = __reduce_add_sync(kWholeWarp, value);
  return {value, scale, scale * __int2float_rn(total)};
}

inline constexpr float kInt8Limit = 127.0f;
inline constexpr float kInt16Limit = 32767.0f;

}  // namespace shoal::kernels::cuda
