// Whether a text belongs to a grammar, or is the beginning of one that does; as the automaton that
// masks are made from sees it.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "runtime/text/grammar/grammar.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/grammar/state_table.h"

namespace shoal::grammar::testing {

class TextMatcher {
 public:
  explicit TextMatcher(const std::string& gbnf, Lead lead = Lead::kNone)
      : table_(compiled(gbnf, lead)) {}

  bool accepts(std::string_view text) { return table_.accepts(state_after(text)); }
  bool begins(std::string_view text) { return state_after(text) != StateTable::kDead; }

  static std::shared_ptr<const Automaton> compiled(const std::string& gbnf,
                                                   Lead lead = Lead::kNone) {
    Compiled out = compile(gbnf, lead, CpuBudget::unlimited());
    if (const auto* refusal = std::get_if<Refusal>(&out)) {
      ADD_FAILURE() << refusal->message << "\n" << gbnf;
      out = compile("root ::= \"\"", Lead::kNone, CpuBudget::unlimited());
    }
    return std::get<std::shared_ptr<const Automaton>>(out);
  }

 private:
  StateTable::State state_after(std::string_view text) {
    StateTable::State state = table_.start();
    for (const char byte : text) state = table_.step(state, static_cast<uint8_t>(byte));
    return state;
  }

  StateTable table_;
};

inline std::string refusal_of(const std::string& gbnf) {
  const Compiled out = compile(gbnf, Lead::kNone, CpuBudget::of(kMaxCompileTime));
  const auto* refusal = std::get_if<Refusal>(&out);
  return refusal == nullptr ? "" : refusal->message;
}

}  // namespace shoal::grammar::testing
