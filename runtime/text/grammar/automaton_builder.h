// From the tree of a grammar to the positions of its rules. Used once, by Automaton.
#pragma once
#include <map>
#include <utility>
#include <vector>

#include "runtime/text/grammar/automaton.h"
#include "runtime/text/grammar/cpu_budget.h"
#include "runtime/text/grammar/syntax.h"

namespace shoal::grammar {

class AutomatonBuilder {
 public:
  AutomatonBuilder(const Syntax& syntax, CpuBudget budget) : syntax_(syntax), budget_(budget) {}

  // Throws RefusedGrammar.
  void build();
  std::vector<Automaton::Position> take_positions() { return std::move(positions_); }
  int32_t start() const { return starts_[static_cast<size_t>(syntax_.start)]; }

 private:
  int32_t new_position();
  Automaton::Position& at(int32_t position) { return positions_[static_cast<size_t>(position)]; }
  // Makes `node` lead from one position to the other.
  void connect(int node, int32_t from, int32_t to);
  void connect_chars(const CharSet& chars, int32_t from, int32_t to);
  void connect_literal(const std::string& text, int32_t from, int32_t to);
  void connect_repeat(const Node& node, int32_t from, int32_t to);
  void connect_call(int32_t start, int32_t from, int32_t to) {
    at(from).calls.push_back({start, to});
  }
  int size_of(int node) const;
  int32_t start_of_copy(int node);
  void refuse_endless_rules() const;
  void refuse_left_recursion() const;
  std::vector<bool> nullable_starts() const;
  std::vector<bool> ending_positions(bool by_bytes) const;

  const Syntax& syntax_;
  CpuBudget budget_;
  std::vector<Automaton::Position> positions_;
  std::vector<int32_t> starts_;    // of the rules
  std::map<int, int32_t> copied_;  // nodes that became rules of their own
};

}  // namespace shoal::grammar
