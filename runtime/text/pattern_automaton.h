// Many byte patterns looked for at once, one byte at a time, in constant time a byte (amortised):
// an Aho-Corasick automaton. Immutable after construction; the caller owns the state, so one
// automaton serves any number of streams and threads.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace shoal::text {

class PatternAutomaton {
 public:
  using State = int32_t;
  static constexpr State kStart = 0;

  // Empty patterns are never found; of equal patterns the first counts.
  explicit PatternAutomaton(std::span<const std::string> patterns);

  State step(State state, char byte) const;

  // The longest pattern that ends at the last byte, as an index into the constructor's list.
  std::optional<size_t> longest_match(State state) const;

  // Length of the longest suffix of the bytes so far that starts some pattern.
  size_t partial_bytes(State state) const { return nodes_[state].depth; }

 private:
  static constexpr int32_t kNone = -1;
  struct Node {
    State fallback = kStart;  // longest proper suffix that is also a node
    size_t depth = 0;
    int32_t pattern = kNone;  // longest pattern that is a suffix of this node
  };

  static uint64_t edge_key(State state, char byte) {
    return static_cast<uint64_t>(state) << 8 | static_cast<unsigned char>(byte);
  }
  State child(State state, char byte) const;  // kNone if there is none
  void add(const std::string& pattern, int32_t index);
  void link_fallbacks();

  std::vector<Node> nodes_{Node{}};
  std::array<State, 256> from_start_;  // dense: text that matches nothing stays here
  std::unordered_map<uint64_t, State> edges_;
};

}  // namespace shoal::text
