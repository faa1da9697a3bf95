#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/text/template/access.h"
#include "runtime/text/template/characters.h"
#include "runtime/text/template/filters.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/split.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/text_case.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {
namespace {

template <MarkedText (*kMap)(const MarkedText&)>
Value mapped(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("a case filter", 0);
  return kMap(to_text(subject));
}

Value string(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("string", 0);
  return to_text(subject);
}

// Nothing is escaped here, so nothing needs to be marked as safe.
Value safe(const Value& subject, const Arguments& arguments, Budget& budget) {
  return string(subject, arguments, budget);
}

Value trim(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("trim", 1);
  const Value* chars = arguments.get(0, "chars");
  if (!chars || chars->is_none()) return strip(to_text(subject), nullptr, {});
  const MarkedText held = to_text(*chars);
  const std::string_view set = held.view();
  return strip(to_text(subject), &set, {});
}

Value replace_filter(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("replace", 3);
  const MarkedText wanted = to_text(arguments.require(0, "old"));
  const MarkedText by = to_text(arguments.require(1, "new"));
  const Int count = std::clamp<Int>(arguments.whole(2, "count", kNoLimit), -1, INT64_MAX / 2);
  return replace(to_text(subject), {wanted.view(), by, static_cast<int64_t>(count)}, budget);
}

Value join(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("join", 2);
  const Value* separator = arguments.get(0, "d");
  const MarkedText between = separator ? to_text(*separator) : MarkedText();
  const Value* attribute = arguments.get(1, "attribute");
  MarkedText out;
  bool first = true;
  for (const Value& item : iterate(subject, budget)) {
    if (!first) out.append(between);
    first = false;
    out.append(to_text(attribute ? get_item(item, *attribute, budget) : item));
  }
  return out;
}

Value indent(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("indent", 3);
  const Value* width = arguments.get(0, "width");
  const Int spaces = width && width->is_text() ? 0 : arguments.whole(0, "width", 4);
  if (spaces > static_cast<Int>(kMaxOutputBytes)) fail("template output exceeds 4 MiB");
  const MarkedText margin =
      width && width->is_text()
          ? width->as_text()
          : MarkedText(std::string(static_cast<size_t>(std::max<Int>(spaces, 0)), ' '), true);
  const bool indents_first = arguments.flag(1, "first");
  const bool indents_blank = arguments.flag(2, "blank");
  subject.require_defined();
  if (!subject.is_text()) {
    fail(fmt::format("TypeError: unsupported operand type(s) for +=: '{}' and 'str'",
                     subject.type_name()));
  }
  MarkedText text = subject.as_text();
  text.append("\n", true);  // so that a trailing line end stays one
  MarkedText out;
  bool first = true;
  for (const Value& line : split_lines(text, false, budget)) {
    const bool blank = line.as_text().empty();
    if (!first) out.append("\n", true);
    if (first ? indents_first : (indents_blank || !blank)) out.append(margin);
    first = false;
    out.append(line.as_text());
  }
  return out;
}

Value to_json_filter(const Value& subject, const Arguments& arguments, Budget& budget) {
  JsonStyle style;
  // In the order that transformers' tojson takes them.
  style.ensure_ascii = arguments.flag(0, "ensure_ascii");
  if (const Value* indent = arguments.get(1, "indent"); indent && !indent->is_none()) {
    const Int spaces = arguments.whole(1, "indent", 0);
    style.indent = static_cast<int>(std::clamp<Int>(spaces, 0, 1024));
    style.item_separator = ",";
  }
  if (const Value* separators = arguments.get(2, "separators");
      separators && !separators->is_none()) {
    const std::vector<Value> pair = iterate(*separators, budget);
    if (pair.size() != 2) fail("ValueError: separators must be a pair of strings");
    style.item_separator = to_text(pair[0]).bytes();
    style.key_separator = to_text(pair[1]).bytes();
  }
  style.sort_keys = arguments.flag(3, "sort_keys");
  return to_json(subject, style);
}

}  // namespace

const BuiltinTable& text_filters() {
  static const BuiltinTable table = {
      {"upper", mapped<upper_case>},
      {"lower", mapped<lower_case>},
      {"capitalize", mapped<capitalized>},
      {"title", mapped<title_words>},
      {"string", string},
      {"safe", safe},
      {"trim", trim},
      {"replace", replace_filter},
      {"join", join},
      {"indent", indent},
      {"tojson", to_json_filter},
  };
  return table;
}

Builtin find_filter(std::string_view name) {
  for (const BuiltinTable* table :
       {&text_filters(), &number_filters(), &list_filters(), &selection_filters()}) {
    if (const auto found = table->find(name); found != table->end()) return found->second;
  }
  return nullptr;
}

}  // namespace shoal::text::jinja
