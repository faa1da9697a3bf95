// Runs a parse and returns its refusal, or "loads".
#pragma once
#include <string>

#include "runtime/base/error.h"

namespace shoal::loader::testing {

template <class Parse>
std::string verdict(Parse&& parse) {
  try {
    parse();
  } catch (const ModelFileError& error) {
    return error.what();
  }
  return "loads";
}

// A refusal without its "byte N: ": that places are right is tested once, for all of them.
inline std::string without_byte(std::string refusal) {
  const size_t begin = refusal.find("byte ");
  if (begin == std::string::npos) return refusal;
  return refusal.erase(begin, refusal.find(' ', begin + 5) + 1 - begin);
}

}  // namespace shoal::loader::testing
