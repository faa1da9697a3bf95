// A grammar as a tree: what the notation says, before it becomes an automaton. Plain values; nodes
// refer to each other by index.
#pragma once
#include <string>
#include <vector>

#include "runtime/text/grammar/char_set.h"

namespace shoal::grammar {

struct Node {
  enum class Kind : unsigned char { kChars, kLiteral, kRule, kSequence, kChoice, kRepeat };
  static constexpr int kNoLimit = -1;

  Kind kind = Kind::kSequence;
  CharSet chars;              // kChars
  std::string text;           // kLiteral: UTF-8
  int rule = -1;              // kRule: index into Syntax::rules
  std::vector<int> children;  // kSequence, kChoice: any number; kRepeat: one
  int min = 0, max = 0;       // kRepeat; max may be kNoLimit
};

struct Rule {
  std::string name;
  int body = -1;  // node
};

struct Syntax {
  std::vector<Node> nodes;
  std::vector<Rule> rules;
  int start = 0;  // rule

  int add(Node node) {
    nodes.push_back(std::move(node));
    return static_cast<int>(nodes.size()) - 1;
  }
};

}  // namespace shoal::grammar
