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

struct Rotation {
  float sine, cosine;
};

__device__ inline Rotation rotation_by(double angle) {
  double sine, cosine;
  sincos(angle, &sine, &cosine);
  return {static_cast<float>(sine), static_cast<float>(cosine)};
}

// `to` may be `from`. rotation_of(i) is the Rotation of pair i.
template <class RotationOf>
__device__ inline void norm_and_rotate(const float* from,
                                       float* to,
                                       const float* weight,
                                       const HeadShape& shape,
                                       const RotationOf& rotation_of) {
  const float scale =
      norm_scale(lane_dot(from, from, shape.head_dim), shape.head_dim, shape.epsilon);
  const int half = shape.rotary_dim / 2;
  __syncwarp();  // the sum above has read the head that the lines below may overwrite
  for (int i = threadIdx.x % 32; i < half; i += 32) {
    const Rotation rotation = rotation_of(i);
    const float a = (from[i] * scale) * weight[i];
    const float b = (from[i + half] * scale) * weight[i + half];
    to[i] = __fmaf_rn(a, rotation.cosine, -(b * rotation.sine));
    to[i + half] = __fmaf_rn(b, rotation.cosine, a * rotation.sine);
  }
  for (int k = shape.rotary_dim + threadIdx.x % 32; k < shape.head_dim; k += 32)
    to[k] = (from[k] * scale) * weight[k];
}

__device__ inline void norm_and_rotate(const float* from,
                                       float* to,
                                       const float* weight,
                                       double position,
                                       const HeadShape& shape,
                                       const Frequencies& frequencies) {
  norm_and_rotate(
      from, to, weight, shape, [&](int i) { return rotation_by(position * frequencies.value[i]); });
}

}  // namespace shoal::kernels::cuda
