#include "runtime/text/template/callable.h"

#include <fmt/format.h>

#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {

const Value* Arguments::find(std::string_view name) const {
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

const Value* Arguments::get(size_t index, std::string_view name) const {
  return index < positional.size() ? &positional[index] : find(name);
}

const Value& Arguments::require(size_t index, std::string_view name) const {
  const Value* found = get(index, name);
  if (!found) fail(fmt::format("TypeError: missing a required argument: '{}'", name));
  return *found;
}

void Arguments::limit(std::string_view callee, size_t max_positional) const {
  if (positional.size() <= max_positional) return;
  fail(fmt::format("TypeError: {} takes at most {} arguments ({} given)",
                   callee,
                   max_positional,
                   positional.size()));
}

Int Arguments::whole(size_t index, std::string_view name, Int otherwise) const {
  const Value* found = get(index, name);
  if (!found || found->is_none()) return otherwise;
  found->require_defined();
  if (!found->is_whole()) {
    fail(fmt::format("TypeError: '{}' object cannot be interpreted as an integer",
                     found->type_name()));
  }
  return found->as_whole();
}

bool Arguments::flag(size_t index, std::string_view name) const {
  const Value* found = get(index, name);
  return found && found->truthy();
}

}  // namespace shoal::text::jinja
