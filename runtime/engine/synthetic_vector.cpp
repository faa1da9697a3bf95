#include "runtime/engine/synthetic_vector.h"

#include <cmath>
#include <random>

namespace shoal::engine {

uint64_t seed_of(std::string_view name, uint64_t seed) {
  uint64_t hash = seed ^ 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

std::vector<float> synthetic_vector(std::string_view name, int64_t count, uint64_t seed) {
  std::vector<float> values(static_cast<size_t>(count), 1.0f);
  std::mt19937_64 random(seed_of(name, seed));
  const auto fill = [&values](auto draw) {
    for (float& value : values) value = draw();
  };
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(-3.0f, 0.5f);
  if (name.ends_with("ssm_conv1d.weight")) fill([&] { return 0.5f * normal(random); });
  if (name.ends_with("ssm_a")) fill([&] { return -std::exp(uniform(random)); });
  if (name.ends_with("ssm_dt.bias")) fill([&] { return normal(random); });
  return values;
}

}  // namespace shoal::engine
