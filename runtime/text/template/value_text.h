// How values are spelled: str(), repr() and json.dumps(ensure_ascii=False) of Python. Characters
// of strings keep their author; the punctuation around them counts as untrusted, which is always
// safe and keeps a request's JSON in one piece.
#pragma once
#include <optional>
#include <string>

#include "runtime/text/template/marked_text.h"
#include "runtime/text/template/value.h"

namespace shoal::text::jinja {

std::string format_int(Int value);
std::string format_float(double value);  // the shortest spelling that reads back, as repr()

MarkedText to_text(const Value& value);  // str()
MarkedText to_repr(const Value& value);

struct JsonStyle {
  std::optional<int> indent;  // spaces a level; none: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
  bool ensure_ascii = false;
};
// Throws Fault on what has no JSON form (undefined, a macro).
MarkedText to_json(const Value& value, const JsonStyle& style);

}  // namespace shoal::text::jinja
