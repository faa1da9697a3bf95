#include "runtime/text/template/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/text/template/characters.h"
#include "runtime/text/template/dict.h"
#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {
namespace {

bool list_equals(const List& a, const List& b, Budget& budget) {
  if (a.is_tuple != b.is_tuple || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!equals(a.items[i], b.items[i], budget)) return false;
  }
  return true;
}

bool dict_equals(const Dict& a, const Dict& b, Budget& budget) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a.entries()) {
    const Value* other = b.find(key);
    if (!other || !equals(value, *other, budget)) return false;
  }
  return true;
}

const char* sign_of(CompareOp op) {
  switch (op) {
    case CompareOp::kLess:
      return "<";
    case CompareOp::kLessEqual:
      return "<=";
    case CompareOp::kGreater:
      return ">";
    default:
      return ">=";
  }
}

template <class T>
bool holds(CompareOp op, const T& a, const T& b) {
  switch (op) {
    case CompareOp::kLess:
      return a < b;
    case CompareOp::kLessEqual:
      return a <= b;
    case CompareOp::kGreater:
      return a > b;
    default:
      return a >= b;
  }
}

bool ordered(CompareOp op, const Value& a, const Value& b, Budget& budget);

bool lists_ordered(CompareOp op, const List& a, const List& b, Budget& budget) {
  const size_t shared = std::min(a.items.size(), b.items.size());
  for (size_t i = 0; i < shared; ++i) {
    if (!equals(a.items[i], b.items[i], budget)) {
      return ordered(op, a.items[i], b.items[i], budget);
    }
  }
  return holds(op, a.items.size(), b.items.size());
}

bool ordered(CompareOp op, const Value& a, const Value& b, Budget& budget) {
  budget.expression();
  a.require_defined();
  b.require_defined();
  if (a.is_whole() && b.is_whole()) return holds(op, a.as_whole(), b.as_whole());
  if (a.is_number() && b.is_number()) return holds(op, a.as_float(), b.as_float());
  if (a.is_text() && b.is_text()) {
    budget.bytes(std::min(a.as_text().size(), b.as_text().size()));
    // UTF-8 sorts as its code points do.
    return holds(op, a.as_text().view(), b.as_text().view());
  }
  if (a.is(Kind::kList) && b.is(Kind::kList) && a.as_list().is_tuple == b.as_list().is_tuple) {
    return lists_ordered(op, a.as_list(), b.as_list(), budget);
  }
  fail(fmt::format("TypeError: '{}' not supported between instances of '{}' and '{}'",
                   sign_of(op),
                   a.type_name(),
                   b.type_name()));
}

}  // namespace

bool equals(const Value& a, const Value& b, Budget& budget) {
  budget.expression();
  if (a.is_whole() && b.is_whole()) return a.as_whole() == b.as_whole();
  if (a.is_number() && b.is_number()) return a.as_float() == b.as_float();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kText:
      budget.bytes(std::min(a.as_text().size(), b.as_text().size()));
      return a.as_text().bytes() == b.as_text().bytes();
    case Kind::kList:
      return list_equals(a.as_list(), b.as_list(), budget);
    case Kind::kDict:
      return dict_equals(a.as_dict(), b.as_dict(), budget);
    case Kind::kNamespace:
      return a.as_namespace() == b.as_namespace();
    case Kind::kLoop:
      return a.as_loop() == b.as_loop();
    default:
      return &a.as_callable() == &b.as_callable();
  }
}

bool less(const Value& a, const Value& b, Budget& budget) {
  return ordered(CompareOp::kLess, a, b, budget);
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  switch (container.kind()) {
    case Kind::kText: {
      if (!item.is_text()) {
        fail(fmt::format("TypeError: 'in <string>' requires string as left operand, not {}",
                         item.type_name()));
      }
      budget.bytes(container.as_text().size());
      return find_bytes(container.as_text().view(), item.as_text().view()) !=
             std::string_view::npos;
    }
    case Kind::kDict:
      return container.as_dict().find(item) != nullptr;
    case Kind::kList:
      for (const Value& held : container.as_list().items) {
        if (equals(held, item, budget)) return true;
      }
      return false;
    case Kind::kUndefined:
      return false;
    default:
      fail(fmt::format("TypeError: argument of type '{}' is not iterable", container.type_name()));
  }
}

bool compare(CompareOp op, const Value& a, const Value& b, Budget& budget) {
  switch (op) {
    case CompareOp::kEqual:
      return equals(a, b, budget);
    case CompareOp::kNotEqual:
      return !equals(a, b, budget);
    case CompareOp::kIn:
      return contains(b, a, budget);
    case CompareOp::kNotIn:
      return !contains(b, a, budget);
    default:
      return ordered(op, a, b, budget);
  }
}

std::vector<Value> iterate(const Value& value, Budget& budget) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return {};
    case Kind::kList:
      budget.elements(value.as_list().items.size());
      return value.as_list().items;
    case Kind::kDict: {
      budget.elements(value.as_dict().size());
      std::vector<Value> keys;
      keys.reserve(value.as_dict().size());
      for (const auto& entry : value.as_dict().entries()) keys.push_back(entry.first);
      return keys;
    }
    case Kind::kText: {
      const MarkedText& text = value.as_text();
      budget.elements(count_characters(text.view()));
      std::vector<Value> characters;
      for (size_t i = 0; i < text.size();) {
        const size_t end = i + decode_code_point(text.view(), i).num_bytes;
        characters.emplace_back(text.slice(i, end));
        i = end;
      }
      return characters;
    }
    default:
      fail(fmt::format("TypeError: '{}' object is not iterable", value.type_name()));
  }
}

int64_t length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kText:
      return static_cast<int64_t>(count_characters(value.as_text().view()));
    case Kind::kList:
      return static_cast<int64_t>(value.as_list().items.size());
    case Kind::kDict:
      return static_cast<int64_t>(value.as_dict().size());
    default:
      fail(fmt::format("TypeError: object of type '{}' has no len()", value.type_name()));
  }
}

}  // namespace shoal::text::jinja
