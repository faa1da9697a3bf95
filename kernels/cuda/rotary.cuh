// The norm and rotation of one head by one warp, as kernels/ops/norm.h defines them.
#pragma once
#include <cmath>

#include "kernels/cuda/math.cuh"
#include "kernels/ops/norm.h"

namespace shoal::kernels::cuda {

__device__ inline float norm_scale(float sum, int count, float epsilon) {
  return __fdiv_rn(1.0f, __fsqrt_rn(__fdiv_rn(sum, static_cast<float>(count)) + epsilon));
}

// Computed on the host, where pow is libm's.
struct Frequencies {
  double value[kMaxRotaryDim / 2];
};

inline Frequencies frequencies_of(const QkNormRopeParams& params) {
  Frequencies frequencies;
  for (int i = 0; i < params.rotary_dim / 2; ++i)
    frequencies.value[i] =
        std::pow(static_cast<double>(params.rope_base), -2.0 * i / params.rotary_dim);
  return frequencies;
}

struct HeadShape {
  int head_dim, rotary_dim;
  float epsilon;
};

// `to` may be `from`.
__device__ inline void norm_and_rotate(const float* from,
                                       float* to,
                                       const float* weight,
                                       double position,
                                       const HeadShape& shape,
                                       const Frequencies& frequencies) {
  const float scale =
      norm_scale(lane_dot(from, from, shape.head_dim), shape.head_dim, shape.epsilon);
  const int half = shape.rotary_dim / 2;
  __syncwarp();  // the sum above has read the head that the lines below may overwrite
  for (int i = threadIdx.x % 32; i < half; i += 32) {
    double sine, cosine;
    sincos(position * frequencies.value[i], &sine, &cosine);
    const auto s = static_cast<float>(sine);
    const auto c = static_cast<float>(cosine);
    const float a = (from[i] * scale) * weight[i];
    const float b = (from[i + half] * scale) * weight[i + half];
    to[i] = __fmaf_rn(a, c, -(b * s));
    to[i + half] = __fmaf_rn(b, c, a * s);
  }
  for (int k = shape.rotary_dim + threadIdx.x % 32; k < shape.head_dim; k += 32)
    to[k] = (from[k] * scale) * weight[k];
}

}  // namespace shoal::kernels::cuda
