#include <fmt/format.h>

#include <algorithm>

#include "runtime/text/template/dict.h"
#include "runtime/text/template/methods.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {
namespace {

Value get(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("get", 2);
  if (const Value* found = subject.as_dict().find(arguments.require(0, "key"))) return *found;
  const Value* otherwise = arguments.get(1, "default");
  return otherwise ? *otherwise : Value::none();
}

template <class Select>
Value collect(const Value& subject, Budget& budget, Select&& select) {
  budget.elements(subject.as_dict().size());
  std::vector<Value> out;
  for (const auto& entry : subject.as_dict().entries()) out.push_back(select(entry));
  return Value::list(std::move(out));
}

Value items(const Value& subject, const Arguments&, Budget& budget) {
  return collect(subject, budget, [](const Dict::Entry& entry) {
    return Value::tuple({entry.first, entry.second});
  });
}

Value keys(const Value& subject, const Arguments&, Budget& budget) {
  return collect(subject, budget, [](const Dict::Entry& entry) { return entry.first; });
}

Value values(const Value& subject, const Arguments&, Budget& budget) {
  return collect(subject, budget, [](const Dict::Entry& entry) { return entry.second; });
}

// Values never change, so a copy is the value itself.
Value copy(const Value& subject, const Arguments&, Budget&) { return subject; }

Value count(const Value& subject, const Arguments& arguments, Budget& budget) {
  int64_t found = 0;
  for (const Value& item : subject.as_list().items) {
    found += equals(item, arguments.require(0, "value"), budget);
  }
  return Value::integer(found);
}

Value index(const Value& subject, const Arguments& arguments, Budget& budget) {
  const auto& held = subject.as_list().items;
  for (size_t i = 0; i < held.size(); ++i) {
    if (equals(held[i], arguments.require(0, "value"), budget)) {
      return Value::integer(static_cast<int64_t>(i));
    }
  }
  fail("ValueError: value is not in list");
}

}  // namespace

const BuiltinTable& dict_methods() {
  static const BuiltinTable table = {
      {"get", get},
      {"items", items},
      {"keys", keys},
      {"values", values},
      {"copy", copy},
      {"clear", nullptr},
      {"fromkeys", nullptr},
      {"pop", nullptr},
      {"popitem", nullptr},
      {"setdefault", nullptr},
      {"update", nullptr},
  };
  return table;
}

const BuiltinTable& list_methods() {
  static const BuiltinTable table = {
      {"count", count},
      {"index", index},
      {"copy", copy},
      {"append", nullptr},
      {"clear", nullptr},
      {"extend", nullptr},
      {"insert", nullptr},
      {"pop", nullptr},
      {"remove", nullptr},
      {"reverse", nullptr},
      {"sort", nullptr},
  };
  return table;
}

Value bind_method(const Value& value, std::string_view name) {
  const BuiltinTable* table = value.is_text()         ? &text_methods()
                              : value.is(Kind::kDict) ? &dict_methods()
                              : value.is(Kind::kList) ? &list_methods()
                                                      : nullptr;
  if (!table) return Value();
  const auto found = table->find(name);
  if (found == table->end()) return Value();
  const Builtin method = found->second;
  if (!method) {
    // Values are shared and never change, so what would change them faults when it is called.
    return Callable{
        std::string(name), [value, name = std::string(name)](const Arguments&, Budget&) -> Value {
          fail(fmt::format(
              "access to attribute '{}' of '{}' object is unsafe.", name, value.type_name()));
        }};
  }
  return Callable{std::string(name), [value, method](const Arguments& arguments, Budget& budget) {
                    if (value.is_text()) budget.bytes(value.as_text().size());
                    return method(value, arguments, budget);
                  }};
}

}  // namespace shoal::text::jinja
