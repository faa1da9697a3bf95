// The methods of strings, dicts and lists, by name. Names that Python has and a template may not
// use (list.append: values are immutable) are known too and fault when called, because Python
// finds them before a dict's key of that name.
#pragma once
#include <string_view>

#include "runtime/text/template/filters.h"

namespace shoal::text::jinja {

const BuiltinTable& text_methods();
const BuiltinTable& dict_methods();
const BuiltinTable& list_methods();

// value.name as something to call; undefined when the value has no such method.
Value bind_method(const Value& value, std::string_view name);

}  // namespace shoal::text::jinja
