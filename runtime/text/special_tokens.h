// Finds special tokens (control and user-defined) in text: from left to right, the longest that
// starts at each place, no overlaps. Linear in the text whatever the vocabulary holds.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/pattern_automaton.h"

namespace shoal::text {

struct SpecialToken {
  std::string text;
  int32_t id;
};

struct SpecialMatch {
  size_t begin, end;  // bytes of the text that was searched
  int32_t id;
};

class SpecialTokenFinder {
 public:
  explicit SpecialTokenFinder(const std::vector<SpecialToken>& tokens);

  std::vector<SpecialMatch> find(std::string_view text) const;

 private:
  struct Length {
    int32_t id;
    size_t num_bytes;
  };
  std::vector<Length> tokens_;
  PatternAutomaton reversed_;  // of the tokens spelled backwards
};

}  // namespace shoal::text
