#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "runtime/text/template/dict.h"
#include "runtime/text/template/interpreter.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {

void Interpreter::add_function(std::string_view name,
                               Value (Interpreter::*function)(const Arguments&)) {
  scope_->set(name,
              Callable{std::string(name), [this, function](const Arguments& arguments, Budget&) {
                         return (this->*function)(arguments);
                       }});
}

void Interpreter::add_globals() {
  add_function("raise_exception", &Interpreter::raise_exception);
  add_function("namespace", &Interpreter::make_namespace);
  add_function("range", &Interpreter::make_range);
  add_function("dict", &Interpreter::make_dict);
  add_function("strftime_now", &Interpreter::format_now);
}

Value Interpreter::raise_exception(const Arguments& arguments) {
  throw Fault{to_text(arguments.require(0, "message")).bytes(), true};
}

Value Interpreter::make_namespace(const Arguments& arguments) {
  auto made = std::make_shared<Namespace>();
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (!source.is(Kind::kDict)) fail("TypeError: namespace() takes a mapping or named arguments");
    for (const auto& [key, value] : source.as_dict().entries()) {
      made->set(to_text(key).bytes(), value);
    }
  }
  for (const auto& [name, value] : arguments.named) made->set(name, value);
  namespaces_.push_back(made);
  return made;
}

Value Interpreter::make_range(const Arguments& arguments) {
  arguments.limit("range", 3);
  const bool has_begin = arguments.positional.size() > 1;
  const Int begin = has_begin ? arguments.whole(0, "start", 0) : 0;
  arguments.require(0, "stop");
  const Int end = arguments.whole(has_begin ? 1 : 0, "stop", 0);
  const Int step = arguments.whole(2, "step", 1);
  if (step == 0) fail("ValueError: range() arg 3 must not be zero");
  std::vector<Value> items;
  for (Int i = begin; step > 0 ? i < end : i > end;) {
    budget_.elements(1);
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::list(std::move(items));
}

Value Interpreter::make_dict(const Arguments& arguments) {
  arguments.limit("dict", 1);
  Dict out;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is(Kind::kDict)) {
      out = source.as_dict();
      budget_.elements(out.size());
    } else {
      for (const Value& entry : iterate(source, budget_)) {
        const std::vector<Value> pair = iterate(entry, budget_);
        if (pair.size() != 2) fail("ValueError: dict() takes pairs");
        out.set(pair[0], pair[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) out.set(Value::text(name, true), value);
  return Value::dict(std::move(out));
}

// The local time, as the templates that greet with today's date ask for it.
Value Interpreter::format_now(const Arguments& arguments) {
  arguments.limit("strftime_now", 1);
  const MarkedText format = to_text(arguments.require(0, "format"));
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[256];
  const size_t length = std::strftime(buffer, sizeof(buffer), format.bytes().c_str(), &local);
  return Value::text(std::string(buffer, length), format.all_trusted());
}

}  // namespace shoal::text::jinja
