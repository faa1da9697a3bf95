#include <fmt/format.h>

#include "runtime/text/template/filters.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/text_case.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {
namespace {

template <bool (*kHolds)(const Value&)>
Value about_subject(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("the test", 0);
  return kHolds(subject);
}

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_string(const Value& value) { return value.is_text(); }
bool is_mapping(const Value& value) { return value.is(Kind::kDict); }
bool is_boolean(const Value& value) { return value.is(Kind::kBool); }
bool is_true(const Value& value) { return value.is(Kind::kBool) && value.as_bool(); }
bool is_false(const Value& value) { return value.is(Kind::kBool) && !value.as_bool(); }
bool is_integer(const Value& value) { return value.is(Kind::kInt); }
bool is_float(const Value& value) { return value.is(Kind::kFloat); }
bool is_number(const Value& value) { return value.is_number(); }
bool is_callable(const Value& value) {
  return value.is(Kind::kCallable) || value.is(Kind::kLoop) || value.is_undefined();
}
// Python can take the length and an item of a string, a dict and even of an undefined value.
bool is_sequence(const Value& value) {
  return value.is_text() || value.is(Kind::kList) || value.is(Kind::kDict) || value.is_undefined();
}
bool is_iterable(const Value& value) { return is_sequence(value) || value.is(Kind::kLoop); }
bool is_escaped(const Value&) { return false; }

bool is_upper(const Value& value) {
  const MarkedText text = to_text(value);
  return upper_case(text).bytes() == text.bytes() && lower_case(text).bytes() != text.bytes();
}
bool is_lower(const Value& value) {
  const MarkedText text = to_text(value);
  return lower_case(text).bytes() == text.bytes() && upper_case(text).bytes() != text.bytes();
}

template <CompareOp kOp>
Value compares(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("the test", 1);
  return compare(kOp, subject, arguments.require(0, "other"), budget);
}

Value remainder(const Value& subject, const Value& divisor, Budget& budget) {
  return apply(BinaryOp::kModulo, subject, divisor, budget);
}

Value odd(const Value& subject, const Arguments&, Budget& budget) {
  return equals(remainder(subject, Value::integer(2), budget), Value::integer(1), budget);
}

Value even(const Value& subject, const Arguments&, Budget& budget) {
  return equals(remainder(subject, Value::integer(2), budget), Value::integer(0), budget);
}

Value divisible_by(const Value& subject, const Arguments& arguments, Budget& budget) {
  return equals(remainder(subject, arguments.require(0, "num"), budget), Value::integer(0), budget);
}

Value same_as(const Value& subject, const Arguments& arguments, Budget& budget) {
  const Value& other = arguments.require(0, "other");
  return subject.kind() == other.kind() && equals(subject, other, budget);
}

Value is_filter(const Value& subject, const Arguments&, Budget&) {
  return find_filter(to_text(subject).view()) != nullptr;
}

Value is_test(const Value& subject, const Arguments&, Budget&) {
  return find_test(to_text(subject).view()) != nullptr;
}

}  // namespace

Builtin find_test(std::string_view name) {
  static const BuiltinTable table = {
      {"defined", about_subject<is_defined>},
      {"undefined", about_subject<is_undefined>},
      {"none", about_subject<is_none>},
      {"string", about_subject<is_string>},
      {"mapping", about_subject<is_mapping>},
      {"boolean", about_subject<is_boolean>},
      {"true", about_subject<is_true>},
      {"false", about_subject<is_false>},
      {"integer", about_subject<is_integer>},
      {"float", about_subject<is_float>},
      {"number", about_subject<is_number>},
      {"callable", about_subject<is_callable>},
      {"sequence", about_subject<is_sequence>},
      {"iterable", about_subject<is_iterable>},
      {"escaped", about_subject<is_escaped>},
      {"upper", about_subject<is_upper>},
      {"lower", about_subject<is_lower>},
      {"odd", odd},
      {"even", even},
      {"divisibleby", divisible_by},
      {"sameas", same_as},
      {"filter", is_filter},
      {"test", is_test},
      {"in", compares<CompareOp::kIn>},
      {"eq", compares<CompareOp::kEqual>},
      {"==", compares<CompareOp::kEqual>},
      {"equalto", compares<CompareOp::kEqual>},
      {"ne", compares<CompareOp::kNotEqual>},
      {"!=", compares<CompareOp::kNotEqual>},
      {"lt", compares<CompareOp::kLess>},
      {"<", compares<CompareOp::kLess>},
      {"lessthan", compares<CompareOp::kLess>},
      {"le", compares<CompareOp::kLessEqual>},
      {"<=", compares<CompareOp::kLessEqual>},
      {"gt", compares<CompareOp::kGreater>},
      {">", compares<CompareOp::kGreater>},
      {"greaterthan", compares<CompareOp::kGreater>},
      {"ge", compares<CompareOp::kGreaterEqual>},
      {">=", compares<CompareOp::kGreaterEqual>},
  };
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace shoal::text::jinja
