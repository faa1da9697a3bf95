// What a template can call: macros, bound methods, the few global functions. Arguments are the
// evaluated ones of one call; filters, tests and methods share the Builtin signature.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/template/budget.h"
#include "runtime/text/template/value.h"

namespace shoal::text::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  const Value* find(std::string_view name) const;
  // The argument at a position, or of that name; null when not given.
  const Value* get(size_t index, std::string_view name) const;
  // As get; throws Fault when not given.
  const Value& require(size_t index, std::string_view name) const;
  // Throws Fault when more than `max_positional` were given in order.
  void limit(std::string_view callee, size_t max_positional) const;

  // Typed reads with a default for what is not given or none.
  Int whole(size_t index, std::string_view name, Int otherwise) const;
  bool flag(size_t index, std::string_view name) const;
};

using Builtin = Value (*)(const Value& subject, const Arguments& arguments, Budget& budget);

struct Callable {
  std::string name;
  std::function<Value(const Arguments&, Budget&)> invoke;
};

}  // namespace shoal::text::jinja
