#include <fmt/format.h>

#include <utility>

#include "runtime/base/printable.h"
#include "runtime/text/template/filters.h"
#include "runtime/text/template/item_key.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {
namespace {

// The arguments after the first `count` positional ones: those of the filter or test named there.
Arguments arguments_after(const Arguments& arguments, size_t count) {
  Arguments rest = arguments;
  const size_t dropped = std::min(count, rest.positional.size());
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<ptrdiff_t>(dropped));
  return rest;
}

Value map_attribute(const Value& subject, const Arguments& arguments, Budget& budget) {
  const ItemKey key(arguments.find("attribute"));
  const Value* otherwise = arguments.find("default");
  if (otherwise && otherwise->is_none()) otherwise = nullptr;
  std::vector<Value> out;
  for (const Value& item : iterate(subject, budget)) out.push_back(key.of(item, budget, otherwise));
  return Value::list(std::move(out));
}

Value map(const Value& subject, const Arguments& arguments, Budget& budget) {
  if (!subject.truthy()) return Value::list({});
  if (arguments.positional.empty()) {
    if (arguments.find("attribute")) return map_attribute(subject, arguments, budget);
    fail("map requires a filter argument");
  }
  const std::string name = to_text(arguments.positional[0]).bytes();
  const Builtin filter = find_filter(name);
  if (!filter) fail(fmt::format("No filter named '{}'.", printable(name)));
  const Arguments rest = arguments_after(arguments, 1);
  std::vector<Value> out;
  for (const Value& item : iterate(subject, budget)) {
    budget.expression();
    if (item.is_text()) budget.bytes(item.as_text().size());
    out.push_back(filter(item, rest, budget));
  }
  return Value::list(std::move(out));
}

// select, reject and their attr forms: keeps the items for which the test gives `kWanted`.
template <bool kByAttribute, bool kWanted>
Value select(const Value& subject, const Arguments& arguments, Budget& budget) {
  if (!subject.truthy()) return Value::list({});
  if (kByAttribute && arguments.positional.empty()) fail("Missing parameter for attribute name");
  const ItemKey key(kByAttribute ? &arguments.positional[0] : nullptr);
  const Arguments rest = arguments_after(arguments, kByAttribute ? 1 : 0);
  Builtin test = nullptr;
  if (!rest.positional.empty()) {
    const std::string name = to_text(rest.positional[0]).bytes();
    test = find_test(name);
    if (!test) fail(fmt::format("No test named '{}'.", printable(name)));
  }
  const Arguments test_arguments = arguments_after(rest, 1);
  std::vector<Value> out;
  for (const Value& item : iterate(subject, budget)) {
    budget.expression();
    const Value looked_at = key.of(item, budget);
    const bool holds = test ? test(looked_at, test_arguments, budget).truthy() : looked_at.truthy();
    if (holds == kWanted) out.push_back(item);
  }
  return Value::list(std::move(out));
}

}  // namespace

const BuiltinTable& selection_filters() {
  static const BuiltinTable table = {
      {"map", map},
      {"select", select<false, true>},
      {"reject", select<false, false>},
      {"selectattr", select<true, true>},
      {"rejectattr", select<true, false>},
  };
  return table;
}

}  // namespace shoal::text::jinja
