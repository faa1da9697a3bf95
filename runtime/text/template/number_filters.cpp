#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string>

#include "runtime/text/template/characters.h"
#include "runtime/text/template/filters.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {
namespace {

constexpr double kLargestWhole = 8e37;  // below 2^126, so that it fits an Int

std::string number_text(const Value& value) {
  std::string text = strip(value.as_text(), nullptr, {}).bytes();
  std::erase(text, '_');
  return text;
}

std::optional<Int> parse_whole(std::string text, int base) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.erase(0, 1);
  const std::string_view prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "";
  if (!prefix.empty() && text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == prefix[1]) {
    text.erase(0, 2);
  }
  if (text.empty()) return std::nullopt;
  Int value = 0;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 10
                      : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                             : 99;
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, base, &value) ||
        __builtin_add_overflow(value, digit, &value)) {
      fail("OverflowError: integer needs more than 128 bits");
    }
  }
  return negative ? -value : value;
}

std::optional<double> parse_float(const std::string& text) {
  const bool has_sign = text.starts_with('+') || text.starts_with('-');
  const char* begin = text.data() + has_sign;
  const char* end = text.data() + text.size();
  if (begin == end || *begin == '-' || *begin == '+') return std::nullopt;
  double value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (stop != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) value = HUGE_VAL;
  return text.starts_with('-') ? -value : value;
}

Value int_filter(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("int", 2);
  subject.require_defined();
  const Value* otherwise = arguments.get(0, "default");
  const Value fallback = otherwise ? *otherwise : Value::integer(0);
  if (subject.is_whole()) return Value(subject.as_whole()).with_trust(subject.trusted());
  std::optional<double> number;
  bool trusted = subject.trusted();
  if (subject.is_text()) {
    const std::string text = number_text(subject);
    trusted = subject.as_text().all_trusted();
    const Int base = arguments.whole(1, "base", 10);
    if (base < 2 || base > 36) fail("ValueError: int() base must be >= 2 and <= 36");
    if (const auto whole = parse_whole(text, static_cast<int>(base))) {
      return Value(*whole).with_trust(trusted);
    }
    number = parse_float(text);
  } else if (subject.is_number()) {
    number = subject.as_float();
  }
  if (!number || !std::isfinite(*number)) return fallback;
  if (std::abs(*number) > kLargestWhole) fail("OverflowError: integer needs more than 128 bits");
  return Value(static_cast<Int>(*number)).with_trust(trusted);
}

Value float_filter(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("float", 1);
  subject.require_defined();
  if (subject.is_number()) return Value(subject.as_float()).with_trust(subject.trusted());
  if (subject.is_text()) {
    if (const auto number = parse_float(number_text(subject))) {
      return Value(*number).with_trust(subject.as_text().all_trusted());
    }
  }
  const Value* otherwise = arguments.get(0, "default");
  return otherwise ? *otherwise : Value(0.0);
}

Value abs_filter(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("abs", 0);
  if (!subject.is_number()) {
    fail(fmt::format("TypeError: bad operand type for abs(): '{}'", subject.type_name()));
  }
  if (subject.is_whole()) {
    return subject.as_whole() < 0 ? negate(subject)
                                  : Value(subject.as_whole()).with_trust(subject.trusted());
  }
  return Value(std::abs(subject.as_float())).with_trust(subject.trusted());
}

Value round_filter(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("round", 2);
  if (!subject.is_number()) {
    fail(fmt::format("TypeError: type {} doesn't define __round__ method", subject.type_name()));
  }
  const Int precision = arguments.whole(0, "precision", 0);
  if (precision > 300 || precision < -300) fail("round precision is out of range");
  const int digits = static_cast<int>(precision);
  const Value* method_argument = arguments.get(1, "method");
  const std::string method = method_argument ? to_text(*method_argument).bytes() : "common";
  const double value = subject.as_float();
  const double scale = std::pow(10.0, digits);
  const auto done = [&](double rounded) { return Value(rounded).with_trust(subject.trusted()); };
  if (method == "ceil") return done(std::ceil(value * scale) / scale);
  if (method == "floor") return done(std::floor(value * scale) / scale);
  if (method != "common") fail("method must be common, ceil or floor");
  if (subject.is_whole() && digits >= 0) {
    return Value(subject.as_whole()).with_trust(subject.trusted());
  }
  if (!std::isfinite(value)) return subject;
  // Decimal digits of the exact binary value, ties to even: what Python's round() does.
  if (digits >= 0) return done(*parse_float(fmt::format("{:.{}f}", value, digits)));
  const double rounded = std::nearbyint(value * scale) / scale;
  if (subject.is_whole()) return Value(static_cast<Int>(rounded)).with_trust(subject.trusted());
  return done(rounded);
}

}  // namespace

const BuiltinTable& number_filters() {
  static const BuiltinTable table = {
      {"int", int_filter},
      {"float", float_filter},
      {"abs", abs_filter},
      {"round", round_filter},
  };
  return table;
}

}  // namespace shoal::text::jinja
