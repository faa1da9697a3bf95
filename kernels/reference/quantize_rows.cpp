#include <algorithm>
#include <cmath>

#include "kernels/reference/reference_ops.h"
#include "runtime/base/check.h"

namespace shoal::kernels::reference {
namespace {

// Ordered so that a NaN becomes the limit, as the vector minimum does.
float clamp(float value, float limit) {
  const float below = value < limit ? value : limit;
  return below > -limit ? below : -limit;
}

template <class T>
void quantize_block(const float* x, float limit, T* values, float& scale, float& sum) {
  float largest = 0.0f;
  for (int i = 0; i < kActivationBlock; ++i) {
    const float magnitude = std::fabs(x[i]);
    largest = magnitude > largest ? magnitude : largest;
  }
  const float inverse = limit / largest;
  if (std::isinf(inverse)) {
    std::fill_n(values, kActivationBlock, T{0});
    scale = sum = 0.0f;
    return;
  }
  int32_t total = 0;
  for (int i = 0; i < kActivationBlock; ++i) {
    values[i] = static_cast<T>(std::nearbyint(clamp(x[i] * inverse, limit)));
    total += values[i];
  }
  scale = largest / limit;
  sum = scale * static_cast<float>(total);
}

template <class T>
void quantize(const QuantizeRowsParams& params, float limit) {
  const int64_t num_blocks = params.rows.elements() / kActivationBlock;
  for (int64_t j = 0; j < num_blocks; ++j)
    quantize_block(params.rows.f32() + kActivationBlock * j,
                   limit,
                   static_cast<T*>(params.values) + kActivationBlock * j,
                   params.scales[j],
                   params.sums[j]);
}

}  // namespace

void quantize_rows(const QuantizeRowsParams& params, const Exec&) {
  SHOAL_ASSERT(params.rows.cols() % kActivationBlock == 0, "{} columns", params.rows.cols());
  SHOAL_ASSERT(params.format != ActivationFormat::kF32, "nothing to quantise to");
  if (params.format == ActivationFormat::kInt8)
    quantize<int8_t>(params, 127.0f);
  else
    quantize<int16_t>(params, 32767.0f);
}

}  // namespace shoal::kernels::reference
