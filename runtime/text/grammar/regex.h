// Regular expressions as grammars. What is read: literals, . [...] [^...] \d \w \s (ASCII) and
// their negations, \n \r \t \f \v \0 \xHH \uHHHH \u{...}, escaped punctuation, groups (plain,
// (?:...) and named), |, * + ? {m} {m,} {m,n} (a lazy ? behind them changes no language), and ^ and
// $ at the ends of the whole pattern or of one of its outermost alternatives. What has memory or
// looks around (\1, (?=...), \b) is refused by name, and so are flags, \p{...} and possessive
// repeats.
#pragma once
#include <string>
#include <string_view>
#include <variant>

#include "runtime/text/grammar/refusal.h"

namespace shoal::grammar {

// A whole grammar: the text that matches from its beginning to its end.
std::variant<std::string, Refusal> gbnf_from_regex(std::string_view pattern);

// The inside of a JSON string (no quotes) whose value the pattern finds a match in, as JSON Schema
// means it: anywhere, unless ^ and $ say otherwise. An expression; throws RefusedGrammar.
std::string json_string_matching(std::string_view pattern);

// One character of a JSON string whose value is in the set: as itself, or with the escape that JSON
// demands. An expression.
std::string json_string_char(const class CharSet& set);

}  // namespace shoal::grammar
