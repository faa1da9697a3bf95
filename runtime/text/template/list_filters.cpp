#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/text/template/dict.h"
#include "runtime/text/template/filters.h"
#include "runtime/text/template/item_key.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {
namespace {

Value length(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("length", 0);
  return Value::integer(length_of(subject));
}

Value default_filter(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("default", 2);
  const bool missing = arguments.flag(1, "boolean") ? !subject.truthy() : subject.is_undefined();
  if (!missing) return subject;
  const Value* otherwise = arguments.get(0, "default_value");
  return otherwise ? *otherwise : Value(MarkedText());
}

// What Python can walk from either end.
bool is_sequence(const Value& value) {
  return value.is_text() || value.is(Kind::kList) || value.is(Kind::kDict) || value.is_undefined();
}

Value first(const Value& subject, const Arguments&, Budget& budget) {
  if (subject.is(Kind::kList) && !subject.as_list().items.empty())
    return subject.as_list().items[0];
  const std::vector<Value> items = iterate(subject, budget);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last(const Value& subject, const Arguments&, Budget& budget) {
  if (subject.is(Kind::kList) && !subject.as_list().items.empty())
    return subject.as_list().items.back();
  if (!is_sequence(subject)) {
    fail(fmt::format("TypeError: '{}' object is not reversible", subject.type_name()));
  }
  const std::vector<Value> items = iterate(subject, budget);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value list(const Value& subject, const Arguments&, Budget& budget) {
  return Value::list(iterate(subject, budget));
}

Value reverse(const Value& subject, const Arguments&, Budget& budget) {
  if (!is_sequence(subject)) fail("argument must be iterable");
  std::vector<Value> items = iterate(subject, budget);
  std::reverse(items.begin(), items.end());
  if (!subject.is_text()) return Value::list(std::move(items));
  MarkedText out;
  for (const Value& item : items) out.append(item.as_text());
  return out;
}

std::vector<Value> pairs_of(const Value& subject, Budget& budget) {
  if (subject.is_undefined()) return {};
  if (!subject.is(Kind::kDict)) fail("TypeError: Can only get item pairs from a mapping.");
  budget.elements(subject.as_dict().size());
  std::vector<Value> pairs;
  for (const auto& [key, value] : subject.as_dict().entries()) {
    pairs.push_back(Value::tuple({key, value}));
  }
  return pairs;
}

Value items(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("items", 0);
  return Value::list(pairs_of(subject, budget));
}

ItemKey::Case case_rule(const Value* sensitive) {
  return sensitive && sensitive->truthy() ? ItemKey::Case::kSensitive : ItemKey::Case::kFolded;
}

// Stable, as Python's sorted(); reversed order keeps equal items in place too.
std::vector<Value> sorted(std::vector<Value> items,
                          const ItemKey& key,
                          bool reversed,
                          Budget& budget) {
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : items) {
    Value sort_key = key.of(item, budget);
    keyed.emplace_back(std::move(sort_key), std::move(item));
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reversed ? less(b.first, a.first, budget) : less(a.first, b.first, budget);
  });
  for (size_t i = 0; i < keyed.size(); ++i) items[i] = std::move(keyed[i].second);
  return items;
}

Value sort(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("sort", 3);
  const ItemKey key(arguments.get(2, "attribute"), case_rule(arguments.get(1, "case_sensitive")));
  return Value::list(sorted(iterate(subject, budget), key, arguments.flag(0, "reverse"), budget));
}

Value dict_sort(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("dictsort", 3);
  const Value* by = arguments.get(1, "by");
  const bool by_value = by && to_text(*by).view() == "value";
  if (by && !by_value && to_text(*by).view() != "key") {
    fail("You can only sort by either \"key\" or \"value\"");
  }
  const Value position = Value::integer(by_value ? 1 : 0);
  const ItemKey key(&position, case_rule(arguments.get(0, "case_sensitive")));
  return Value::list(sorted(pairs_of(subject, budget), key, arguments.flag(2, "reverse"), budget));
}

Value unique(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("unique", 2);
  const ItemKey key(arguments.get(1, "attribute"), case_rule(arguments.get(0, "case_sensitive")));
  Dict seen;
  std::vector<Value> out;
  for (const Value& item : iterate(subject, budget)) {
    const Value item_key = key.of(item, budget);
    if (seen.find(item_key)) continue;
    seen.set(item_key, Value(true));
    out.push_back(item);
  }
  return Value::list(std::move(out));
}

template <bool kLargest>
Value extreme(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("min and max", 2);
  const ItemKey key(arguments.get(1, "attribute"), case_rule(arguments.get(0, "case_sensitive")));
  const std::vector<Value> items = iterate(subject, budget);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    const Value held = key.of(items[best], budget);
    const Value candidate = key.of(items[i], budget);
    if (compare(kLargest ? CompareOp::kGreater : CompareOp::kLess, candidate, held, budget))
      best = i;
  }
  return items[best];
}

Value sum(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("sum", 2);
  const ItemKey key(arguments.get(0, "attribute"));
  const Value* start = arguments.get(1, "start");
  Value total = start ? *start : Value::integer(0);
  for (const Value& item : iterate(subject, budget)) {
    total = apply(BinaryOp::kAdd, total, key.of(item, budget), budget);
  }
  return total;
}

}  // namespace

const BuiltinTable& list_filters() {
  static const BuiltinTable table = {
      {"length", length},
      {"count", length},
      {"default", default_filter},
      {"d", default_filter},
      {"first", first},
      {"last", last},
      {"list", list},
      {"reverse", reverse},
      {"items", items},
      {"sort", sort},
      {"dictsort", dict_sort},
      {"unique", unique},
      {"min", extreme<false>},
      {"max", extreme<true>},
      {"sum", sum},
  };
  return table;
}

}  // namespace shoal::text::jinja
