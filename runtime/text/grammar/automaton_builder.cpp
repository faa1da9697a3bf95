#include "runtime/text/grammar/automaton_builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/printable.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/grammar/refusal.h"
#include "runtime/text/grammar/utf8_ranges.h"

namespace shoal::grammar {
namespace {

// An item of more positions than that is built once and called where it is repeated.
constexpr int kMaxCopiedPositions = 3;

}  // namespace

int32_t AutomatonBuilder::new_position() {
  if (positions_.size() >= static_cast<size_t>(kMaxPositions))
    throw RefusedGrammar(fmt::format(
        "the grammar needs more than {} states; large repetitions {{m,n}} are the usual reason",
        grouped(kMaxPositions)));
  if (positions_.size() % 256 == 0 && budget_.spent())
    throw RefusedGrammar(
        fmt::format("the grammar takes longer than {} ms to compile", kMaxCompileTime.count()));
  positions_.emplace_back();
  return static_cast<int32_t>(positions_.size()) - 1;
}

void AutomatonBuilder::build() {
  for (size_t i = 0; i < syntax_.rules.size(); ++i) starts_.push_back(new_position());
  for (size_t i = 0; i < syntax_.rules.size(); ++i) {
    const int32_t end = new_position();
    at(end).final = true;
    connect(syntax_.rules[i].body, starts_[i], end);
  }
  refuse_endless_rules();
  refuse_left_recursion();
}

void AutomatonBuilder::connect(int node_index, int32_t from, int32_t to) {
  const Node& node = syntax_.nodes[static_cast<size_t>(node_index)];
  switch (node.kind) {
    case Node::Kind::kChars:
      connect_chars(node.chars, from, to);
      break;
    case Node::Kind::kLiteral:
      connect_literal(node.text, from, to);
      break;
    case Node::Kind::kRule:
      connect_call(starts_[static_cast<size_t>(node.rule)], from, to);
      break;
    case Node::Kind::kSequence: {
      if (node.children.empty()) at(from).jumps.push_back(to);
      int32_t place = from;
      for (size_t i = 0; i < node.children.size(); ++i) {
        const int32_t next = i + 1 < node.children.size() ? new_position() : to;
        connect(node.children[i], place, next);
        place = next;
      }
      break;
    }
    case Node::Kind::kChoice:
      for (const int child : node.children) connect(child, from, to);
      break;
    case Node::Kind::kRepeat:
      connect_repeat(node, from, to);
      break;
  }
}

void AutomatonBuilder::connect_chars(const CharSet& chars, int32_t from, int32_t to) {
  // Characters whose bytes end alike share the positions before those bytes.
  std::map<std::vector<int>, int32_t> before;
  for (const CharRange& range : chars.ranges())
    for (const ByteSequence& sequence : utf8_sequences(range)) {
      std::vector<int> tail;
      int32_t next = to;
      for (int i = sequence.size - 1; i > 0; --i) {
        const ByteRange bytes = sequence.bytes[static_cast<size_t>(i)];
        tail.push_back(bytes.first);
        tail.push_back(bytes.last);
        const auto [found, is_new] = before.try_emplace(tail, -1);
        if (is_new) {
          found->second = new_position();
          at(found->second).bytes.push_back({bytes.first, bytes.last, next});
        }
        next = found->second;
      }
      at(from).bytes.push_back({sequence.bytes[0].first, sequence.bytes[0].last, next});
    }
}

void AutomatonBuilder::connect_literal(const std::string& text, int32_t from, int32_t to) {
  if (text.empty()) at(from).jumps.push_back(to);
  int32_t place = from;
  for (size_t i = 0; i < text.size(); ++i) {
    const int32_t next = i + 1 < text.size() ? new_position() : to;
    const auto byte = static_cast<uint8_t>(text[i]);
    at(place).bytes.push_back({byte, byte, next});
    place = next;
  }
}

void AutomatonBuilder::connect_repeat(const Node& node, int32_t from, int32_t to) {
  const int child = node.children.front();
  const bool endless = node.max == Node::kNoLimit;
  const int num_copies = endless ? node.min + 1 : node.max;
  const bool calls = num_copies > 1 && size_of(child) > kMaxCopiedPositions;
  const auto connect_item = [&](int32_t begin, int32_t end) {
    if (calls)
      connect_call(start_of_copy(child), begin, end);
    else
      connect(child, begin, end);
  };
  int32_t place = from;
  for (int i = 0; i < node.min; ++i) {
    const int32_t next = new_position();
    connect_item(place, next);
    place = next;
  }
  if (endless) {
    const int32_t loop = new_position();
    at(place).jumps.push_back(loop);
    connect_item(loop, loop);
    at(loop).jumps.push_back(to);
    return;
  }
  for (int i = node.min; i < node.max; ++i) {
    const int32_t next = new_position();
    connect_item(place, next);
    at(place).jumps.push_back(to);
    place = next;
  }
  at(place).jumps.push_back(to);
}

// Positions that a copy of the node takes, about; stops counting early.
int AutomatonBuilder::size_of(int node_index) const {
  const Node& node = syntax_.nodes[static_cast<size_t>(node_index)];
  switch (node.kind) {
    case Node::Kind::kChars:
      return node.chars.ranges().back().last < 0x80 ? 1 : kMaxCopiedPositions + 1;
    case Node::Kind::kLiteral:
      return static_cast<int>(std::min<size_t>(node.text.size(), kMaxCopiedPositions + 1));
    case Node::Kind::kRule:
      return 1;
    default:
      break;
  }
  int size = node.kind == Node::Kind::kRepeat ? 2 : 0;
  for (const int child : node.children) {
    size += size_of(child);
    if (size > kMaxCopiedPositions) break;
  }
  return size;
}

int32_t AutomatonBuilder::start_of_copy(int node) {
  const auto found = copied_.find(node);
  if (found != copied_.end()) return found->second;
  const int32_t start = new_position(), end = new_position();
  at(end).final = true;
  copied_.emplace(node, start);
  connect(node, start, end);
  return start;
}

// Positions from which the end of their rule is reached: by any way, or without taking a byte.
std::vector<bool> AutomatonBuilder::ending_positions(bool by_bytes) const {
  std::vector<std::vector<int32_t>> before(positions_.size());
  std::vector<bool> ends(positions_.size());
  std::vector<int32_t> work;
  for (size_t i = 0; i < positions_.size(); ++i) {
    const auto from = static_cast<int32_t>(i);
    const Automaton::Position& position = positions_[i];
    for (const int32_t to : position.jumps) before[static_cast<size_t>(to)].push_back(from);
    for (const Automaton::Call& call : position.calls) {
      before[static_cast<size_t>(call.to)].push_back(from);
      before[static_cast<size_t>(call.start)].push_back(from);
    }
    if (by_bytes)
      for (const Automaton::ByteEdge& edge : position.bytes)
        before[static_cast<size_t>(edge.to)].push_back(from);
    if (!position.final) continue;
    ends[i] = true;
    work.push_back(from);
  }
  const auto reaches_end = [&](const Automaton::Position& position) {
    const auto end = [&ends](int32_t to) { return ends[static_cast<size_t>(to)]; };
    return std::ranges::any_of(position.jumps, end) ||
           std::ranges::any_of(
               position.calls,
               [&](const Automaton::Call& call) { return end(call.start) && end(call.to); }) ||
           (by_bytes && std::ranges::any_of(position.bytes, [&](const Automaton::ByteEdge& edge) {
              return end(edge.to);
            }));
  };
  while (!work.empty()) {
    const int32_t reached = work.back();
    work.pop_back();
    for (const int32_t from : before[static_cast<size_t>(reached)]) {
      if (ends[static_cast<size_t>(from)] || !reaches_end(positions_[static_cast<size_t>(from)]))
        continue;
      ends[static_cast<size_t>(from)] = true;
      work.push_back(from);
    }
  }
  return ends;
}

void AutomatonBuilder::refuse_endless_rules() const {
  const std::vector<bool> ends = ending_positions(true);
  for (size_t i = 0; i < starts_.size(); ++i)
    if (!ends[static_cast<size_t>(starts_[i])])
      throw RefusedGrammar(fmt::format(
          "rule '{}' never ends: each way through it needs itself again", syntax_.rules[i].name));
}

// A depth-first walk over "may call first", rule by rule; a rule met again while it is open has
// called itself.
void AutomatonBuilder::refuse_left_recursion() const {
  const std::vector<bool> nullable = ending_positions(false);
  enum class Mark : uint8_t { kUnseen, kOpen, kDone };
  std::vector<Mark> marks(positions_.size());
  std::vector<int32_t> seen_from(positions_.size(), -1);
  const auto first_calls = [&](int32_t start) {
    std::vector<int32_t> calls, work;
    const auto go = [&](int32_t to) {
      if (seen_from[static_cast<size_t>(to)] == start) return;
      seen_from[static_cast<size_t>(to)] = start;
      work.push_back(to);
    };
    go(start);
    while (!work.empty()) {
      const Automaton::Position& position = positions_[static_cast<size_t>(work.back())];
      work.pop_back();
      for (const int32_t to : position.jumps) go(to);
      for (const Automaton::Call& call : position.calls) {
        calls.push_back(call.start);
        if (nullable[static_cast<size_t>(call.start)]) go(call.to);
      }
    }
    return calls;
  };
  struct Open {
    int32_t start;
    std::vector<int32_t> calls;
  };
  for (const int32_t root : starts_) {
    if (marks[static_cast<size_t>(root)] != Mark::kUnseen) continue;
    marks[static_cast<size_t>(root)] = Mark::kOpen;
    std::vector<Open> path;
    path.push_back({root, first_calls(root)});
    while (!path.empty()) {
      if (budget_.spent())
        throw RefusedGrammar(
            fmt::format("the grammar takes longer than {} ms to compile", kMaxCompileTime.count()));
      Open& open = path.back();
      if (open.calls.empty()) {
        marks[static_cast<size_t>(open.start)] = Mark::kDone;
        path.pop_back();
        continue;
      }
      const int32_t next = open.calls.back();
      open.calls.pop_back();
      if (marks[static_cast<size_t>(next)] == Mark::kDone) continue;
      if (marks[static_cast<size_t>(next)] == Mark::kOpen) {
        // Every circle holds a rule with a name: copies of nodes are made inside one.
        const auto circle = std::ranges::find(path, next, &Open::start);
        const auto named = std::find_if(circle, path.end(), [&](const Open& one) {
          return std::ranges::find(starts_, one.start) != starts_.end();
        });
        const auto rule = std::ranges::find(starts_, named->start) - starts_.begin();
        throw RefusedGrammar(fmt::format(
            "rule '{}' leads back to itself before it takes a character (left recursion)",
            syntax_.rules[static_cast<size_t>(rule)].name));
      }
      marks[static_cast<size_t>(next)] = Mark::kOpen;
      path.push_back({next, first_calls(next)});
    }
  }
}

}  // namespace shoal::grammar
