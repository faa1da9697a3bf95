// Ends a stream of text at the first of several stop strings, also when one comes in pieces. The
// first is the one that is complete first (of two that end together, the longer); the text is cut
// where it begins. So the result does not depend on how the text was cut into deltas, and nothing
// after the deciding byte is waited for.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/pattern_automaton.h"

namespace shoal::text {

// One stream's matcher. One thread at a time.
class StopMatcher {
 public:
  // Empty stop strings never match. Stops and deltas that are whole UTF-8 characters give whole
  // characters back.
  explicit StopMatcher(const std::vector<std::string>& stops);

  // The text that is safe to emit: all so far but what was returned before, less the longest end
  // that may yet become a stop string. Empty once matched.
  std::string push(std::string_view delta);

  // The end of the stream: what was kept back, if no stop string matched.
  std::string flush();

  // Index into `stops` of the one that matched.
  std::optional<size_t> matched() const { return matched_; }

 private:
  std::vector<size_t> stop_bytes_;
  PatternAutomaton automaton_;
  PatternAutomaton::State state_ = PatternAutomaton::kStart;
  std::string held_;
  std::optional<size_t> matched_;
};

}  // namespace shoal::text
