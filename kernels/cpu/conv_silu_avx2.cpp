#include <algorithm>
#include <array>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/math_avx2.h"
#include "runtime/base/check.h"

namespace shoal::kernels::cpu {
namespace {

// A thread takes this many channels through all tokens: four cache lines a row, and taps and
// history stay in L1.
constexpr int64_t kChannelBlock = 64;

class ChannelBlock {
 public:
  ChannelBlock(const ConvParams& params, int64_t begin, int64_t end)
      : params_(params), begin_(begin), width_(end - begin), history_(params.kernel - 1) {
    for (int64_t c = 0; c < width_; ++c)
      for (int j = 0; j < params.kernel; ++j)
        taps_[j][c] = params.weight[(begin + c) * params.kernel + j];
  }

  void run(int sequence) const {
    const int32_t* starts = params_.sequence_starts.i32();
    const int64_t count = starts[sequence + 1] - starts[sequence];
    if (count == 0) return;
    float* state = params_.conv_state + begin_ +
                   params_.state_slots.i32()[sequence] * history_ * params_.input.cols();
    std::array<const float*, kMaxConvKernel> window;
    for (int64_t t = 0; t < count; ++t) {
      for (int j = 0; j <= history_; ++j)
        window[j] = input(starts[sequence], t - history_ + j, state);
      convolve(window, params_.output.row(starts[sequence] + t) + begin_);
    }
    // Rising j reads only what lies later in the state than what it has overwritten.
    for (int64_t j = 0; j < history_; ++j)
      std::copy_n(input(starts[sequence], count - history_ + j, state),
                  width_,
                  state + j * params_.input.cols());
  }

 private:
  // Raw input `t` of a sequence's chunk; before its first token they come from the state.
  const float* input(int64_t first_row, int64_t t, const float* state) const {
    if (t < 0) return state + (history_ + t) * params_.input.cols();
    return params_.input.row(first_row + t) + begin_;
  }

  void convolve(const std::array<const float*, kMaxConvKernel>& window, float* output) const {
    for_each_vector(width_, [&](int64_t c, auto part) {
      __m256 sum = _mm256_setzero_ps();
      for (int j = 0; j <= history_; ++j)
        sum = _mm256_fmadd_ps(_mm256_load_ps(&taps_[j][c]), part.load(window[j] + c), sum);
      part.store(output + c, silu(sum));
    });
  }

  const ConvParams& params_;
  int64_t begin_;
  int64_t width_;
  int64_t history_;
  alignas(32) float taps_[kMaxConvKernel][kChannelBlock] = {};
};

}  // namespace

void conv_silu(const ConvParams& params, const Exec& exec) {
  SHOAL_ASSERT(params.kernel >= 1 && params.kernel <= kMaxConvKernel, "kernel {}", params.kernel);
  const int64_t channels = params.input.cols();
  const int64_t num_blocks = (channels + kChannelBlock - 1) / kChannelBlock;
  // A block of one token costs about a fifth of a microsecond.
  const int64_t grain = std::max<int64_t>(1, 16 / std::max<int64_t>(params.input.rows(), 1));
  exec.pool->parallel_for(num_blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b * kChannelBlock;
      const ChannelBlock block(params, first, std::min(first + kChannelBlock, channels));
      for (int s = 0; s < params.num_sequences; ++s) block.run(s);
    }
  });
}

}  // namespace shoal::kernels::cpu
