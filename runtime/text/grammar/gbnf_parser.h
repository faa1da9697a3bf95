// Reads the grammar notation that llama.cpp made common (GBNF):
//   root ::= "yes" | "no" [!?]{0,3}     # comment
// Rules `name ::= ...` (letters, digits, - and _); literals; character classes [a-z] and [^...];
// `.` for any character; groups; `|`; repetition * + ? {m} {m,} {m,n}; escapes \n \r \t \\ \" \[
// \] \- \xHH \uHHHH \UHHHHHHHH, which name code points. A rule ends with its line, except inside
// brackets and after ::= and |. The text starts with the rule `root`.
#pragma once
#include <string_view>

#include "runtime/text/grammar/syntax.h"

namespace shoal::grammar {

// Throws RefusedGrammar with line and construct. Every rule that is named is defined; classes are
// not empty.
Syntax parse_gbnf(std::string_view text);

}  // namespace shoal::grammar
