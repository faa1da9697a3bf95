// The rotary embedding's angles: base^(-2 i / rotary_dim) * position in double, sine and cosine
// rounded to f32 once. One source for all CPU backends, so libm is the same for all of them.
#pragma once
#include <array>
#include <cstdint>

#include "kernels/ops/norm.h"

namespace shoal::kernels {

struct RopeAngles {
  std::array<float, kMaxRotaryDim / 2> sine;    // [rotary_dim / 2]
  std::array<float, kMaxRotaryDim / 2> cosine;  // [rotary_dim / 2]
};

// Computed once a call; angles_at once a token, shared by its heads.
class RopeFrequencies {
 public:
  RopeFrequencies(int rotary_dim, float base);

  void angles_at(int32_t position, RopeAngles& angles) const;

 private:
  int num_pairs_;
  std::array<double, kMaxRotaryDim / 2> frequency_;
};

}  // namespace shoal::kernels
