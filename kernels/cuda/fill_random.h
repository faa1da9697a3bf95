// Weights for timings without a file: every byte of a split matrix from a hash of (seed, place),
// without a mean and with scales so small that activations stay sane through many layers. Same
// seed, same bytes.
#pragma once
#include <cstdint>

#include "kernels/weight_view.h"
#include "runtime/base/exec.h"

namespace shoal::kernels::cuda {

// The planes of `weight` are device memory, kSplit or of a float type, and are overwritten.
// Enqueues only. Throws Error(kUsage) in builds without CUDA.
void fill_random(const WeightView& weight, uint64_t seed, Stream stream);

}  // namespace shoal::kernels::cuda
