// Template source -> tokens, as Jinja cuts it with trim_blocks and lstrip_blocks on: a newline
// after a block or comment tag goes, so does white space between a line's start and such a tag,
// and `-` inside a tag's edge strips all white space on that side. Throws TemplateError.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/template/token.h"

namespace shoal::text::jinja {

std::vector<Token> tokenize(std::string_view source);

// The text of a string literal between its quotes, with Python's backslash escapes applied.
std::string unescape(std::string_view literal, int line);

}  // namespace shoal::text::jinja
