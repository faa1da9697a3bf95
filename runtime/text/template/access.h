// object.name, object[key] and object[begin:end:step], each with Jinja's order of look-up:
// a dot prefers methods over a dict's keys, brackets prefer keys.
#pragma once
#include <string_view>

#include "runtime/text/template/budget.h"
#include "runtime/text/template/value.h"

namespace shoal::text::jinja {

// Undefined, with the reason, where there is no such attribute or item.
Value get_attribute(const Value& object, std::string_view name);
Value get_item(const Value& object, const Value& key, Budget& budget);

struct SliceBounds {
  Value begin = Value::none();
  Value end = Value::none();
  Value step = Value::none();
};
Value get_slice(const Value& object, const SliceBounds& bounds, Budget& budget);

}  // namespace shoal::text::jinja
