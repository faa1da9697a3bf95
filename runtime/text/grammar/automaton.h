// A grammar as one small automaton a rule, over bytes. A position of a rule goes on by a byte, by
// running another rule first (a call), or by nothing; a position that is final ends its rule. Every
// position can be left towards an end of its rule, and no rule can call itself before it has taken
// a byte: so whatever prefix is alive can be completed, and following it never runs in circles.
// Immutable after construction: any thread may read it.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "runtime/text/grammar/cpu_budget.h"
#include "runtime/text/grammar/syntax.h"

namespace shoal::grammar {

class Automaton {
 public:
  struct ByteEdge {
    uint8_t first, last;
    int32_t to;
  };
  struct Call {
    int32_t start, to;  // the first position of the rule, and where to go on after it
  };
  struct Position {
    std::vector<ByteEdge> bytes;
    std::vector<Call> calls;
    std::vector<int32_t> jumps;
    bool final = false;
    bool only_ends = false;  // nothing but the end of the rule lies ahead
  };

  // Throws RefusedGrammar: too many positions, a rule that calls itself on its left, a rule that
  // never ends, out of time.
  Automaton(const Syntax& syntax, CpuBudget budget);

  int32_t start() const { return start_; }
  const Position& at(int32_t position) const { return positions_[static_cast<size_t>(position)]; }
  int num_positions() const { return static_cast<int>(positions_.size()); }

  // Bytes that no edge tells apart are of one class.
  int byte_class(uint8_t byte) const { return class_of_[byte]; }
  int num_classes() const { return static_cast<int>(byte_of_.size()); }
  uint8_t byte_of(int byte_class) const { return byte_of_[static_cast<size_t>(byte_class)]; }

 private:
  void find_classes();
  void find_ends();

  std::vector<Position> positions_;
  int32_t start_ = 0;
  std::array<uint8_t, 256> class_of_{};
  std::vector<uint8_t> byte_of_;  // one byte of each class
};

}  // namespace shoal::grammar
