#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/text/template/operators.h"
#include "runtime/text/template/template_error.h"

namespace shoal::text::jinja {
namespace {

std::string_view sign_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd:
      return "+";
    case BinaryOp::kSubtract:
      return "-";
    case BinaryOp::kMultiply:
      return "*";
    case BinaryOp::kDivide:
      return "/";
    case BinaryOp::kFloorDivide:
      return "//";
    case BinaryOp::kModulo:
      return "%";
    case BinaryOp::kPower:
      return "** or pow()";
  }
  return "?";
}

[[noreturn]] void overflow() { fail("OverflowError: integer result needs more than 128 bits"); }

Int floor_divide(Int a, Int b) {
  const Int quotient = a / b;
  return (a % b != 0) && ((a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

Int power(Int base, Int exponent) {
  Int result = 1;
  while (exponent > 0) {
    if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return result;
}

Value whole_result(BinaryOp op, Int a, Int b) {
  Int out = 0;
  switch (op) {
    case BinaryOp::kAdd:
      if (__builtin_add_overflow(a, b, &out)) overflow();
      return out;
    case BinaryOp::kSubtract:
      if (__builtin_sub_overflow(a, b, &out)) overflow();
      return out;
    case BinaryOp::kMultiply:
      if (__builtin_mul_overflow(a, b, &out)) overflow();
      return out;
    case BinaryOp::kDivide:
      if (b == 0) fail("ZeroDivisionError: division by zero");
      return static_cast<double>(a) / static_cast<double>(b);
    case BinaryOp::kFloorDivide:
    case BinaryOp::kModulo:
      if (b == 0) {
        fail(op == BinaryOp::kModulo ? "ZeroDivisionError: integer modulo by zero"
                                     : "ZeroDivisionError: integer division or modulo by zero");
      }
      if (b == -1) {  // a / -1 overflows for the smallest value
        return op == BinaryOp::kModulo ? Value(Int{0}) : whole_result(BinaryOp::kSubtract, 0, a);
      }
      return op == BinaryOp::kModulo ? a - floor_divide(a, b) * b : floor_divide(a, b);
    case BinaryOp::kPower:
      if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
      return power(a, b);
  }
  return out;
}

Value float_result(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return a + b;
    case BinaryOp::kSubtract:
      return a - b;
    case BinaryOp::kMultiply:
      return a * b;
    case BinaryOp::kDivide:
      if (b == 0) fail("ZeroDivisionError: float division by zero");
      return a / b;
    case BinaryOp::kFloorDivide:
      if (b == 0) fail("ZeroDivisionError: float floor division by zero");
      return std::floor(a / b);
    case BinaryOp::kModulo: {
      if (b == 0) fail("ZeroDivisionError: float modulo");
      const double rest = std::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    case BinaryOp::kPower:
      return std::pow(a, b);
  }
  return 0.0;
}

Value repeat(const Value& sequence, Int count, Budget& budget) {
  if (count > INT64_MAX) fail("OverflowError: cannot fit 'int' into an index-sized integer");
  const Int times = std::max<Int>(count, 0);
  if (sequence.is_text()) {
    const MarkedText& text = sequence.as_text();
    if (text.empty()) return MarkedText();
    if (times > static_cast<Int>(kMaxOutputBytes)) fail("template output exceeds 4 MiB");
    MarkedText out;
    for (Int i = 0; i < times; ++i) out.append(text);
    budget.bytes(out.size());
    return out;
  }
  const List& list = sequence.as_list();
  std::vector<Value> items;
  if (!list.items.empty()) {
    budget.elements(static_cast<uint64_t>(std::min<Int>(times, kMaxSteps)) * list.items.size());
    for (Int i = 0; i < times; ++i) {
      items.insert(items.end(), list.items.begin(), list.items.end());
    }
  }
  return list.is_tuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

[[noreturn]] void unsupported(BinaryOp op, const Value& a, const Value& b) {
  if (op == BinaryOp::kAdd && (a.is_text() || a.is(Kind::kList))) {
    fail(fmt::format(
        "TypeError: can only concatenate {0} (not \"{1}\") to {0}", a.type_name(), b.type_name()));
  }
  const bool repeats = a.is_text() || a.is(Kind::kList) || b.is_text() || b.is(Kind::kList);
  if (op == BinaryOp::kMultiply && repeats) {
    const Value& other = a.is_text() || a.is(Kind::kList) ? b : a;
    fail(fmt::format("TypeError: can't multiply sequence by non-int of type '{}'",
                     other.type_name()));
  }
  if (op == BinaryOp::kModulo && a.is_text()) {
    fail(a.as_text().view().find('%') == std::string_view::npos
             ? "TypeError: not all arguments converted during string formatting"
             : "'%' formatting of strings is not supported");
  }
  fail(fmt::format("TypeError: unsupported operand type(s) for {}: '{}' and '{}'",
                   sign_of(op),
                   a.type_name(),
                   b.type_name()));
}

}  // namespace

Value apply(BinaryOp op, const Value& a, const Value& b, Budget& budget) {
  a.require_defined();
  b.require_defined();
  const bool trusted = a.trusted() && b.trusted();
  if (a.is_whole() && b.is_whole()) {
    return whole_result(op, a.as_whole(), b.as_whole()).with_trust(trusted);
  }
  if (a.is_number() && b.is_number()) {
    return float_result(op, a.as_float(), b.as_float()).with_trust(trusted);
  }
  if (op == BinaryOp::kAdd && a.is_text() && b.is_text()) {
    MarkedText out = a.as_text();
    out.append(b.as_text());
    budget.bytes(out.size());
    return out;
  }
  if (op == BinaryOp::kAdd && a.is(Kind::kList) && b.is(Kind::kList) &&
      a.as_list().is_tuple == b.as_list().is_tuple) {
    budget.elements(a.as_list().items.size() + b.as_list().items.size());
    std::vector<Value> items = a.as_list().items;
    items.insert(items.end(), b.as_list().items.begin(), b.as_list().items.end());
    return a.as_list().is_tuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
  }
  if (op == BinaryOp::kMultiply) {
    if ((a.is_text() || a.is(Kind::kList)) && b.is_whole()) return repeat(a, b.as_whole(), budget);
    if (a.is_whole() && (b.is_text() || b.is(Kind::kList))) return repeat(b, a.as_whole(), budget);
  }
  unsupported(op, a, b);
}

Value negate(const Value& value) {
  value.require_defined();
  if (value.is_whole())
    return whole_result(BinaryOp::kSubtract, 0, value.as_whole()).with_trust(value.trusted());
  if (value.is_number()) return Value(-value.as_float()).with_trust(value.trusted());
  fail(fmt::format("TypeError: bad operand type for unary -: '{}'", value.type_name()));
}

Value plus(const Value& value) {
  value.require_defined();
  if (value.is_whole()) return Value(value.as_whole()).with_trust(value.trusted());
  if (value.is_number()) return value;
  fail(fmt::format("TypeError: bad operand type for unary +: '{}'", value.type_name()));
}

}  // namespace shoal::text::jinja
