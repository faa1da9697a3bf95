// "Did you mean ...?" for flags, commands and YAML keys.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace shoal::launch {

// The known name that is fewest edits (insert, delete, replace, swap of neighbours) away from
// `word`; empty when none is near: more than a third of the word's letters, at most 3, differ.
std::string nearest_name(std::string_view word, std::span<const std::string> known);

// " (did you mean 'ranks'?)", or nothing.
std::string suggestion(std::string_view word, std::span<const std::string> known);

// "a, b, c".
std::string listed(std::span<const std::string> names);

}  // namespace shoal::launch
