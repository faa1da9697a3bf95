#include "runtime/text/template/value_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "runtime/text/template/callable.h"
#include "runtime/text/template/characters.h"
#include "runtime/text/template/dict.h"
#include "runtime/text/template/loop.h"

namespace shoal::text::jinja {

std::string format_int(Int value) {
  // Digits of the magnitude: negating the smallest value would overflow.
  unsigned __int128 rest = value < 0 ? -static_cast<unsigned __int128>(value) : value;
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest != 0);
  return value < 0 ? "-" + digits : digits;
}

std::string format_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const std::string_view spelled(buffer, end - buffer);
  const size_t e = spelled.find('e');
  int exponent = 0;
  const size_t exponent_at = e + (spelled[e + 1] == '+' ? 2 : 1);
  std::from_chars(spelled.data() + exponent_at, spelled.data() + spelled.size(), exponent);
  // Python writes plain digits where 1e-4 <= |value| < 1e16.
  if (exponent < -4 || exponent >= 16) return std::string(spelled);
  const bool negative = spelled[0] == '-';
  std::string digits;
  for (const char c : spelled.substr(negative, e - negative)) {
    if (c != '.') digits += c;
  }
  std::string out;
  if (exponent < 0) {
    out = "0." + std::string(-exponent - 1, '0') + digits;
  } else {
    const size_t whole = static_cast<size_t>(exponent) + 1;
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    out = digits.substr(0, whole) + "." + (digits.size() > whole ? digits.substr(whole) : "0");
  }
  return negative ? "-" + out : out;
}

namespace {

std::string spell_scalar(const Value& value) {
  switch (value.kind()) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return value.as_bool() ? "True" : "False";
    case Kind::kInt:
      return format_int(value.as_whole());
    case Kind::kFloat:
      return format_float(value.as_float());
    case Kind::kLoop:
      return fmt::format("<LoopContext {}/{}>",
                         format_int(value.as_loop()->attribute("index").as_whole()),
                         format_int(value.as_loop()->attribute("length").as_whole()));
    case Kind::kCallable:
      return fmt::format("<function {}>", value.as_callable().name);
    default:
      return "Undefined";
  }
}

void append_repr(MarkedText& out, const MarkedText& text) {
  const bool double_quoted = text.view().find('\'') != std::string_view::npos &&
                             text.view().find('"') == std::string_view::npos;
  const std::string_view quote = double_quoted ? "\"" : "'";
  out.append(quote, false);
  text.for_each_run([&](std::string_view run, bool trusted) {
    for (size_t i = 0; i < run.size();) {
      const CodePoint c = decode_code_point(run, i);
      const std::string_view bytes = run.substr(i, c.num_bytes);
      i += c.num_bytes;
      if (bytes == "\\" || bytes == quote) {
        out.append("\\", trusted);
        out.append(bytes, trusted);
      } else if (bytes == "\n" || bytes == "\r" || bytes == "\t") {
        out.append(bytes == "\n" ? "\\n" : bytes == "\r" ? "\\r" : "\\t", trusted);
      } else if (is_printable(c.value)) {
        out.append(bytes, trusted);
      } else {
        const auto value = static_cast<uint32_t>(c.value);
        out.append(value < 0x100     ? fmt::format("\\x{:02x}", value)
                   : value < 0x10000 ? fmt::format("\\u{:04x}", value)
                                     : fmt::format("\\U{:08x}", value),
                   trusted);
      }
    }
  });
  out.append(quote, false);
}

void append_repr(MarkedText& out, const Value& value, int depth) {
  // A namespace that holds itself is the only way to nest without end.
  if (depth > 2 * kMaxValueDepth) {
    out.append("...", false);
    return;
  }
  if (value.is_text()) {
    append_repr(out, value.as_text());
  } else if (value.is(Kind::kList)) {
    const List& list = value.as_list();
    out.append(list.is_tuple ? "(" : "[", false);
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out.append(", ", false);
      append_repr(out, list.items[i], depth + 1);
    }
    if (list.is_tuple && list.items.size() == 1) out.append(",", false);
    out.append(list.is_tuple ? ")" : "]", false);
  } else if (value.is(Kind::kDict)) {
    out.append("{", false);
    bool first = true;
    for (const auto& [key, item] : value.as_dict().entries()) {
      if (!first) out.append(", ", false);
      first = false;
      append_repr(out, key, depth + 1);
      out.append(": ", false);
      append_repr(out, item, depth + 1);
    }
    out.append("}", false);
  } else if (value.is(Kind::kNamespace)) {
    out.append("<Namespace {", false);
    bool first = true;
    for (const auto& [key, item] : value.as_namespace()->attributes) {
      if (!first) out.append(", ", false);
      first = false;
      append_repr(out, MarkedText(key, true));
      out.append(": ", false);
      append_repr(out, item, depth + 1);
    }
    out.append("}>", false);
  } else {
    out.append(spell_scalar(value), value.trusted());
  }
}

}  // namespace

MarkedText to_text(const Value& value) {
  if (value.is_text()) return value.as_text();
  if (value.is_undefined()) return {};
  return to_repr(value);
}

MarkedText to_repr(const Value& value) {
  MarkedText out;
  append_repr(out, value, 0);
  return out;
}

}  // namespace shoal::text::jinja
