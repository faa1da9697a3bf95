#include "runtime/text/template/value.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/text/template/callable.h"
#include "runtime/text/template/dict.h"
#include "runtime/text/template/loop.h"
#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {
namespace {

void check_depth(int depth) {
  if (depth > kMaxValueDepth) fail(fmt::format("a value nests deeper than {}", kMaxValueDepth));
}

Value make_list(std::vector<Value> items, bool is_tuple, auto&& wrap) {
  List list{std::move(items), is_tuple, 1};
  for (const Value& item : list.items) list.depth = std::max(list.depth, item.depth() + 1);
  check_depth(list.depth);
  return wrap(std::make_shared<const List>(std::move(list)));
}

}  // namespace

Value::Value(MarkedText text) : storage_(std::make_shared<const MarkedText>(std::move(text))) {}

Value::Value(Callable callable) : storage_(std::make_shared<const Callable>(std::move(callable))) {}

Value Value::undefined(std::string why) {
  return Value(Storage(Undefined{std::make_shared<const std::string>(std::move(why))}));
}

Value Value::none() { return Value(Storage(None{})); }

Value Value::list(std::vector<Value> items) {
  return make_list(std::move(items), false, [](auto list) { return Value(Storage(list)); });
}

Value Value::tuple(std::vector<Value> items) {
  return make_list(std::move(items), true, [](auto list) { return Value(Storage(list)); });
}

Value Value::dict(Dict dict) {
  check_depth(dict.depth());
  return Value(Storage(std::make_shared<const Dict>(std::move(dict))));
}

Value Value::from_json(const nlohmann::ordered_json& json, int depth) {
  check_depth(depth);
  switch (json.type()) {
    case nlohmann::json::value_t::boolean:
      return Value(json.get<bool>()).with_trust(false);
    case nlohmann::json::value_t::number_integer:
      return Value(Int{json.get<int64_t>()}).with_trust(false);
    case nlohmann::json::value_t::number_unsigned:
      return Value(Int{json.get<uint64_t>()}).with_trust(false);
    case nlohmann::json::value_t::number_float:
      return Value(json.get<double>()).with_trust(false);
    case nlohmann::json::value_t::string:
      return text(json.get_ref<const std::string&>(), false);
    case nlohmann::json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const auto& item : json) items.push_back(from_json(item, depth + 1));
      return list(std::move(items));
    }
    case nlohmann::json::value_t::object: {
      Dict out;
      for (const auto& [key, value] : json.items()) {
        out.set(text(key, false), from_json(value, depth + 1));
      }
      return dict(std::move(out));
    }
    default:
      return none().with_trust(false);
  }
}

double Value::as_float() const {
  return is(Kind::kFloat) ? std::get<double>(storage_) : static_cast<double>(as_whole());
}

bool Value::truthy() const {
  switch (kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return as_whole() != 0;
    case Kind::kFloat:
      return as_float() != 0;
    case Kind::kText:
      return !as_text().empty();
    case Kind::kList:
      return !as_list().items.empty();
    case Kind::kDict:
      return as_dict().size() > 0;
    default:
      return true;
  }
}

int Value::depth() const {
  if (is(Kind::kList)) return as_list().depth;
  return is(Kind::kDict) ? as_dict().depth() : 0;
}

std::string_view Value::type_name() const {
  switch (kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kText:
      return "str";
    case Kind::kList:
      return as_list().is_tuple ? "tuple" : "list";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kCallable:
      return "function";
  }
  return "object";
}

std::string Value::describe_type() const {
  return is_none() ? "None" : fmt::format("{} object", type_name());
}

void Value::require_defined() const {
  if (!is_undefined()) return;
  const auto& why = std::get<Undefined>(storage_).why;
  fail(why ? *why : "value is undefined");
}

const Value* Namespace::find(std::string_view name) const {
  for (const auto& [key, value] : attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Namespace::set(std::string_view name, Value value) {
  for (auto& [key, held] : attributes) {
    if (key == name) {
      held = std::move(value);
      return;
    }
  }
  attributes.emplace_back(std::string(name), std::move(value));
}

}  // namespace shoal::text::jinja
