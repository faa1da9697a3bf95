#include "runtime/text/grammar/grammar.h"

#include "runtime/text/grammar/gbnf_parser.h"

namespace shoal::grammar {
namespace {

// Two at most: "</think>\n\n".
void allow_line_ends_first(Syntax& syntax) {
  const int line_end = syntax.add({.kind = Node::Kind::kChars, .chars = {{'\n', '\n'}}});
  const int some =
      syntax.add({.kind = Node::Kind::kRepeat, .children = {line_end}, .min = 0, .max = 2});
  const int root = syntax.add({.kind = Node::Kind::kRule, .rule = syntax.start});
  const int body = syntax.add({.kind = Node::Kind::kSequence, .children = {some, root}});
  syntax.start = static_cast<int>(syntax.rules.size());
  syntax.rules.push_back({"the beginning", body});
}

}  // namespace

Compiled compile(std::string_view gbnf, Lead lead, CpuBudget budget) {
  try {
    Syntax syntax = parse_gbnf(gbnf);
    if (lead == Lead::kLineEnds) allow_line_ends_first(syntax);
    return std::make_shared<const Automaton>(syntax, budget);
  } catch (const RefusedGrammar& refused) {
    return Refusal{refused.what()};
  }
}

}  // namespace shoal::grammar
