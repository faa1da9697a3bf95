#include "runtime/text/template/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/base/printable.h"
#include "runtime/text/template/callable.h"
#include "runtime/text/template/characters.h"
#include "runtime/text/template/dict.h"
#include "runtime/text/template/loop.h"
#include "runtime/text/template/methods.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {
namespace {

Value no_attribute(const Value& object, std::string_view name) {
  return Value::undefined(
      fmt::format("'{}' has no attribute '{}'", object.describe_type(), printable(name)));
}

Value no_element(const Value& object, const Value& key) {
  return Value::undefined(
      fmt::format("{} has no element {}", object.describe_type(), printable(to_repr(key).bytes())));
}

Value loop_attribute(const std::shared_ptr<Loop>& loop, std::string_view name) {
  if (name == "cycle") {
    return Callable{"cycle", [loop](const Arguments& arguments, Budget&) {
                      const auto& items = arguments.positional;
                      if (items.empty()) fail("TypeError: no items for cycling given");
                      return items[static_cast<size_t>(loop->index0()) % items.size()];
                    }};
  }
  if (name == "changed") {
    return Callable{"changed", [loop](const Arguments& arguments, Budget& budget) {
                      return Value(loop->changed(arguments.positional, budget));
                    }};
  }
  return loop->attribute(name);
}

// The position that an index names, negative ones counted from the end.
std::optional<size_t> position_of(Int index, size_t size) {
  const Int position = index < 0 ? index + static_cast<Int>(size) : index;
  if (position < 0 || position >= static_cast<Int>(size)) return std::nullopt;
  return static_cast<size_t>(position);
}

// The positions of a slice of `size` items, as Python's slice.indices().
std::vector<size_t> slice_positions(const SliceBounds& bounds, size_t size, Budget& budget) {
  const Int length = static_cast<Int>(size);
  const Int step = bounds.step.is_none() ? 1 : bounds.step.as_whole();
  if (step == 0) fail("ValueError: slice step cannot be zero");
  const Int lowest = step > 0 ? 0 : -1;
  const Int highest = step > 0 ? length : length - 1;
  const auto clamp = [&](const Value& bound, Int otherwise) {
    if (bound.is_none()) return otherwise;
    const Int index = bound.as_whole();
    return std::clamp(index < 0 ? index + length : index, lowest, highest);
  };
  const Int begin = clamp(bounds.begin, step > 0 ? lowest : highest);
  const Int end = clamp(bounds.end, step > 0 ? highest : lowest);
  std::vector<size_t> positions;
  for (Int i = begin; step > 0 ? i < end : i > end;) {
    positions.push_back(static_cast<size_t>(i));
    if (step > length || step < -length) break;
    i += step;
  }
  budget.elements(positions.size());
  return positions;
}

bool is_bound(const Value& value) { return value.is_none() || value.is_whole(); }

Value slice_text(const MarkedText& text, const SliceBounds& bounds, Budget& budget) {
  const size_t length = count_characters(text.view());
  budget.bytes(text.size());
  const bool contiguous = bounds.step.is_none() || bounds.step.as_whole() == 1;
  if (contiguous) {
    // Characters that follow each other are one byte range: no need to list them.
    const auto clamp = [&](const Value& bound, size_t otherwise) {
      if (bound.is_none()) return otherwise;
      const Int index = bound.as_whole();
      const Int position = index < 0 ? index + static_cast<Int>(length) : index;
      return static_cast<size_t>(std::clamp(position, Int{0}, static_cast<Int>(length)));
    };
    const size_t begin = offset_of(text.view(), clamp(bounds.begin, 0));
    const size_t end = offset_of(text.view(), clamp(bounds.end, length));
    return text.slice(begin, std::max(begin, end));
  }
  budget.elements(length);
  std::vector<size_t> offsets;
  for (size_t i = 0; i < text.size(); i += decode_code_point(text.view(), i).num_bytes) {
    offsets.push_back(i);
  }
  offsets.push_back(text.size());
  MarkedText out;
  for (const size_t at : slice_positions(bounds, length, budget)) {
    out.append(text, offsets[at], offsets[at + 1]);
  }
  return out;
}

}  // namespace

Value get_attribute(const Value& object, std::string_view name) {
  object.require_defined();
  switch (object.kind()) {
    case Kind::kLoop:
      return loop_attribute(object.as_loop(), name);
    case Kind::kNamespace: {
      const Value* found = object.as_namespace()->find(name);
      return found ? *found : no_attribute(object, name);
    }
    default:
      break;
  }
  if (Value method = bind_method(object, name); !method.is_undefined()) return method;
  if (object.is(Kind::kDict)) {
    if (const Value* found = object.as_dict().find(name)) return *found;
  }
  return no_attribute(object, name);
}

Value get_item(const Value& object, const Value& key, Budget& budget) {
  object.require_defined();
  if (object.is(Kind::kDict) && key.depth() == 0) {
    if (const Value* found = object.as_dict().find(key)) return *found;
  }
  if (object.is(Kind::kList) && key.is_whole()) {
    const auto& items = object.as_list().items;
    const auto position = position_of(key.as_whole(), items.size());
    return position ? items[*position] : no_element(object, key);
  }
  if (object.is_text() && key.is_whole()) {
    const MarkedText& text = object.as_text();
    budget.bytes(text.size());
    const auto position = position_of(key.as_whole(), count_characters(text.view()));
    if (!position) return no_element(object, key);
    const size_t begin = offset_of(text.view(), *position);
    return text.slice(begin, begin + decode_code_point(text.view(), begin).num_bytes);
  }
  if (key.is_text()) {
    const std::string_view name = key.as_text().view();
    if (name.starts_with("__")) {
      fail(fmt::format("uses '{}', which does not exist here (no host objects at all)",
                       printable(name)));
    }
    return get_attribute(object, name);
  }
  return no_element(object, key);
}

Value get_slice(const Value& object, const SliceBounds& bounds, Budget& budget) {
  object.require_defined();
  if (object.is(Kind::kDict)) fail("TypeError: unhashable type: 'slice'");
  if (!object.is_text() && !object.is(Kind::kList)) {
    fail(fmt::format("TypeError: '{}' object is not subscriptable", object.type_name()));
  }
  if (!is_bound(bounds.begin) || !is_bound(bounds.end) || !is_bound(bounds.step)) {
    fail("TypeError: slice indices must be integers or None or have an __index__ method");
  }
  if (object.is_text()) return slice_text(object.as_text(), bounds, budget);
  const List& list = object.as_list();
  std::vector<Value> items;
  for (const size_t at : slice_positions(bounds, list.items.size(), budget)) {
    items.push_back(list.items[at]);
  }
  return list.is_tuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

}  // namespace shoal::text::jinja
