#include "runtime/text/pattern_automaton.h"

#include <algorithm>

namespace shoal::text {

PatternAutomaton::PatternAutomaton(std::span<const std::string> patterns) {
  from_start_.fill(kStart);
  for (size_t i = 0; i < patterns.size(); ++i) add(patterns[i], static_cast<int32_t>(i));
  link_fallbacks();
}

PatternAutomaton::State PatternAutomaton::child(State state, char byte) const {
  const auto edge = edges_.find(edge_key(state, byte));
  return edge == edges_.end() ? kNone : edge->second;
}

void PatternAutomaton::add(const std::string& pattern, int32_t index) {
  if (pattern.empty()) return;
  State state = kStart;
  for (const char byte : pattern) {
    State next = child(state, byte);
    if (next == kNone) {
      next = static_cast<State>(nodes_.size());
      nodes_.push_back({kStart, nodes_[state].depth + 1, kNone});
      edges_.emplace(edge_key(state, byte), next);
      if (state == kStart) from_start_[static_cast<unsigned char>(byte)] = next;
    }
    state = next;
  }
  if (nodes_[state].pattern == kNone) nodes_[state].pattern = index;
}

void PatternAutomaton::link_fallbacks() {
  struct Edge {
    State from, to;
    char byte;
  };
  std::vector<Edge> by_depth;
  by_depth.reserve(edges_.size());
  for (const auto& [key, to] : edges_)
    by_depth.push_back({static_cast<State>(key >> 8), to, static_cast<char>(key & 0xFF)});
  // Shallow nodes first: a fallback is always shallower than the node it serves.
  std::ranges::sort(by_depth, {}, [this](const Edge& edge) { return nodes_[edge.to].depth; });
  for (const Edge& edge : by_depth) {
    Node& node = nodes_[edge.to];
    if (edge.from != kStart) node.fallback = step(nodes_[edge.from].fallback, edge.byte);
    if (node.pattern == kNone) node.pattern = nodes_[node.fallback].pattern;
  }
}

PatternAutomaton::State PatternAutomaton::step(State state, char byte) const {
  while (state != kStart) {
    if (const State next = child(state, byte); next != kNone) return next;
    state = nodes_[state].fallback;
  }
  return from_start_[static_cast<unsigned char>(byte)];
}

std::optional<size_t> PatternAutomaton::longest_match(State state) const {
  const int32_t pattern = nodes_[state].pattern;
  if (pattern == kNone) return {};
  return static_cast<size_t>(pattern);
}

}  // namespace shoal::text
