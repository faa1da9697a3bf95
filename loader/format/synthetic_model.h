// Headers of models that no file holds: the real shapes and quantisation mixes of the family, for
// timing without tens of gigabytes of weights. The weights themselves are made on the device.
// A name is "synthetic:SHAPE:MIX[:LAYERS]", e.g. "synthetic:35b:ud-q4" or "synthetic:397b:q8:12":
//   SHAPE  35b, 122b, 397b, or tiny, a small one for tests
//   MIX    ud-q4, ud-q3, mxfp4, q8
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "loader/format/split_set.h"

namespace shoal::loader {

inline constexpr std::string_view kSyntheticPrefix = "synthetic:";

// Empty for names without the prefix. Throws Error(kUsage) for others that are not understood.
std::optional<ParsedModel> synthetic_model(const std::string& name);

}  // namespace shoal::loader
