// A grammar made ready to be followed. The same text gives the same automaton on every machine;
// immutable, any thread may read it.
#pragma once
#include <memory>
#include <string_view>
#include <variant>

#include "runtime/text/grammar/automaton.h"
#include "runtime/text/grammar/cpu_budget.h"
#include "runtime/text/grammar/refusal.h"

namespace shoal::grammar {

// Whether line ends may stand before the text: models write them after closing their reasoning.
enum class Lead : uint8_t { kNone, kLineEnds };

using Compiled = std::variant<std::shared_ptr<const Automaton>, Refusal>;

// `gbnf` in the notation of gbnf_parser.h, from anywhere.
Compiled compile(std::string_view gbnf, Lead lead, CpuBudget budget);

}  // namespace shoal::grammar
