// The summation order that every float reduction over a row shares: column k belongs to lane
// k mod 8, each lane rises over its columns with fma from 0, and the eight lanes are added as a
// fixed tree. Scalar form; kernels/cpu/math_avx2.h has the same in one register.
// Static for the reason given in math.h.
#pragma once
#include <cmath>
#include <cstdint>

namespace shoal::kernels {

inline constexpr int kLanes = 8;

[[maybe_unused]] static float lane_tree(const float (&l)[kLanes]) {
  return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
}

[[maybe_unused]] static float lane_dot(const float* a, const float* b, int64_t count) {
  float lanes[kLanes] = {};
  for (int64_t k = 0; k < count; ++k) lanes[k % kLanes] = std::fma(a[k], b[k], lanes[k % kLanes]);
  return lane_tree(lanes);
}

// Plain additions instead of fma.
[[maybe_unused]] static float lane_sum(const float* a, int64_t count) {
  float lanes[kLanes] = {};
  for (int64_t k = 0; k < count; ++k) lanes[k % kLanes] += a[k];
  return lane_tree(lanes);
}

}  // namespace shoal::kernels
