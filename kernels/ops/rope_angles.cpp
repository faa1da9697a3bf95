#include "kernels/ops/rope_angles.h"

#include <cmath>

#include "runtime/base/check.h"

namespace shoal::kernels {

RopeFrequencies::RopeFrequencies(int rotary_dim, float base) : num_pairs_(rotary_dim / 2) {
  SHOAL_ASSERT(rotary_dim % 2 == 0 && rotary_dim >= 0 && rotary_dim <= kMaxRotaryDim,
               "rotary_dim {}",
               rotary_dim);
  for (int i = 0; i < num_pairs_; ++i)
    frequency_[i] = std::pow(static_cast<double>(base), -2.0 * i / rotary_dim);
}

void RopeFrequencies::angles_at(int32_t position, RopeAngles& angles) const {
  for (int i = 0; i < num_pairs_; ++i) {
    const double angle = position * frequency_[i];
    angles.sine[i] = static_cast<float>(std::sin(angle));
    angles.cosine[i] = static_cast<float>(std::cos(angle));
  }
}

}  // namespace shoal::kernels
