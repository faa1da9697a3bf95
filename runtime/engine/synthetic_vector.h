// The small tensors of a model without a file: values as in a trained model's range.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace shoal::engine {

// Norms are 1; the convolution, the decay and its bias are random. Same (name, seed), same values.
std::vector<float> synthetic_vector(std::string_view name, int64_t count, uint64_t seed);

// A tensor's own seed.
uint64_t seed_of(std::string_view name, uint64_t seed);

}  // namespace shoal::engine
