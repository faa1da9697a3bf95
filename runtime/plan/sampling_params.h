// How the next token is drawn. Temperature 0 is greedy. The draw at position p of a sequence uses a
// counter-based generator keyed by (seed, p), so a resumed stream draws the same tokens.
#pragma once
#include <cstdint>

namespace shoal::plan {

struct SamplingParams {
  float temperature = 0;  // >= 0
  int32_t top_k = 0;      // 0: off
  float top_p = 1;        // (0, 1]
  float min_p = 0;        // [0, 1]
  uint64_t seed = 0;
  bool operator==(const SamplingParams&) const = default;
};

}  // namespace shoal::plan
