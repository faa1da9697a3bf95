// The filters and tests of the template language, and the methods of strings, dicts and lists,
// by name. Null when there is no such name.
#pragma once
#include <initializer_list>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "runtime/text/template/callable.h"

namespace shoal::text::jinja {

using BuiltinTable = std::unordered_map<std::string_view, Builtin>;

Builtin find_filter(std::string_view name);
Builtin find_test(std::string_view name);

// Tables that find_filter searches, one a file.
const BuiltinTable& text_filters();
const BuiltinTable& number_filters();
const BuiltinTable& list_filters();
const BuiltinTable& selection_filters();

}  // namespace shoal::text::jinja
