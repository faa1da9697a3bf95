#include <array>
#include <cmath>

#include "kernels/math.h"
#include "kernels/reference/reference_ops.h"
#include "runtime/base/check.h"

namespace shoal::kernels::reference {

void conv_silu(const ConvParams& params, const Exec&) {
  const int64_t channels = params.input.cols();
  const int history = params.kernel - 1;
  SHOAL_ASSERT(params.kernel >= 1 && params.kernel <= kMaxConvKernel, "kernel {}", params.kernel);
  for (int s = 0; s < params.num_sequences; ++s) {
    const int64_t begin = params.sequence_starts.i32()[s];
    const int64_t end = params.sequence_starts.i32()[s + 1];
    float* state = params.conv_state + params.state_slots.i32()[s] * history * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float* weight = params.weight + c * params.kernel;
      std::array<float, kMaxConvKernel> window{};  // the last `history` inputs, then this one
      for (int j = 0; j < history; ++j) window[j] = state[j * channels + c];
      for (int64_t t = begin; t < end; ++t) {
        window[history] = params.input.row(t)[c];
        float sum = 0.0f;
        for (int j = 0; j < params.kernel; ++j) sum = std::fma(weight[j], window[j], sum);
        params.output.row(t)[c] = silu(sum);
        for (int j = 0; j < history; ++j) window[j] = window[j + 1];
      }
      for (int j = 0; j < history; ++j) state[j * channels + c] = window[j];
    }
  }
}

}  // namespace shoal::kernels::reference
