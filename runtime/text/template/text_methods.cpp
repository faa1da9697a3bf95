#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/text/template/characters.h"
#include "runtime/text/template/methods.h"
#include "runtime/text/template/operators.h"
#include "runtime/text/template/split.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/template/text_case.h"

namespace shoal::text::jinja {
namespace {

const MarkedText& text_argument(const Arguments& arguments, size_t index, std::string_view name) {
  const Value& value = arguments.require(index, name);
  value.require_defined();
  if (!value.is_text()) {
    fail(fmt::format("TypeError: argument '{}' must be str, not {}", name, value.type_name()));
  }
  return value.as_text();
}

int64_t count_argument(const Arguments& arguments, size_t index, std::string_view name) {
  const Int count = arguments.whole(index, name, kNoLimit);
  return static_cast<int64_t>(std::clamp<Int>(count, -1, INT64_MAX / 2));
}

// startswith and endswith take one string or a tuple of them.
template <class Matches>
Value matches_any(const Arguments& arguments, Matches&& matches) {
  const Value& wanted = arguments.require(0, "prefix");
  if (wanted.is(Kind::kList) && wanted.as_list().is_tuple) {
    const auto& items = wanted.as_list().items;
    return std::any_of(items.begin(), items.end(), [&](const Value& item) {
      return item.is_text() && matches(item.as_text().view());
    });
  }
  return matches(text_argument(arguments, 0, "prefix").view());
}

Value starts_with(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("startswith", 1);
  return matches_any(arguments, [&](std::string_view prefix) {
    return subject.as_text().view().starts_with(prefix);
  });
}

Value ends_with(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("endswith", 1);
  return matches_any(arguments, [&](std::string_view suffix) {
    return subject.as_text().view().ends_with(suffix);
  });
}

Value strip_ends(const Value& subject, const Arguments& arguments, StripEnds ends) {
  arguments.limit("strip", 1);
  const Value* set = arguments.get(0, "chars");
  if (!set || set->is_none()) return strip(subject.as_text(), nullptr, ends);
  const std::string_view characters = text_argument(arguments, 0, "chars").view();
  return strip(subject.as_text(), &characters, ends);
}

template <bool kRight>
Value split(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("split", 2);
  const MarkedText& text = subject.as_text();
  const int64_t max_splits = count_argument(arguments, 1, "maxsplit");
  const Value* separator = arguments.get(0, "sep");
  if (!separator || separator->is_none()) {
    return Value::list(kRight ? split_at_space_right(text, max_splits, budget)
                              : split_at_space(text, max_splits, budget));
  }
  const std::string_view sep = text_argument(arguments, 0, "sep").view();
  if (sep.empty()) fail("ValueError: empty separator");
  return Value::list(kRight ? split_at_right(text, sep, max_splits, budget)
                            : split_at(text, sep, max_splits, budget));
}

template <bool kRight>
Value partition(const Value& subject, const Arguments& arguments, Budget&) {
  const MarkedText& text = subject.as_text();
  const MarkedText& sep = text_argument(arguments, 0, "sep");
  if (sep.empty()) fail("ValueError: empty separator");
  const size_t at =
      kRight ? find_last_bytes(text.view(), sep.view()) : find_bytes(text.view(), sep.view());
  if (at == std::string_view::npos) {
    const Value empty = MarkedText();
    return kRight ? Value::tuple({empty, empty, subject}) : Value::tuple({subject, empty, empty});
  }
  return Value::tuple({text.slice(0, at), sep, text.slice(at + sep.size(), text.size())});
}

// The first or last place as a count of characters; -1 when absent.
template <bool kRight>
Value find(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("find", 1);
  const std::string_view text = subject.as_text().view();
  const std::string_view wanted = text_argument(arguments, 0, "sub").view();
  const size_t at = kRight ? find_last_bytes(text, wanted) : find_bytes(text, wanted);
  if (at == std::string_view::npos) return Value::integer(-1);
  return Value::integer(static_cast<int64_t>(count_characters(text.substr(0, at))));
}

template <bool kRight>
Value index(const Value& subject, const Arguments& arguments, Budget& budget) {
  Value found = find<kRight>(subject, arguments, budget);
  if (found.as_whole() < 0) fail("ValueError: substring not found");
  return found;
}

Value count(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("count", 1);
  const MarkedText& wanted = text_argument(arguments, 0, "sub");
  if (wanted.empty()) return Value::integer(length_of(subject) + 1);
  return Value::integer(
      static_cast<int64_t>(split_at(subject.as_text(), wanted.view(), kNoLimit, budget).size()) -
      1);
}

Value replace_all(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("replace", 3);
  const MarkedText& wanted = text_argument(arguments, 0, "old");
  const MarkedText& by = text_argument(arguments, 1, "new");
  return replace(
      subject.as_text(), {wanted.view(), by, count_argument(arguments, 2, "count")}, budget);
}

Value join(const Value& subject, const Arguments& arguments, Budget& budget) {
  arguments.limit("join", 1);
  MarkedText out;
  int64_t position = 0;
  for (const Value& item : iterate(arguments.require(0, "iterable"), budget)) {
    if (!item.is_text()) {
      fail(fmt::format("TypeError: sequence item {}: expected str instance, {} found",
                       position,
                       item.type_name()));
    }
    if (position++ > 0) out.append(subject.as_text());
    out.append(item.as_text());
  }
  return out;
}

Value remove_prefix(const Value& subject, const Arguments& arguments, Budget&) {
  const MarkedText& text = subject.as_text();
  const MarkedText& prefix = text_argument(arguments, 0, "prefix");
  return text.slice(text.view().starts_with(prefix.view()) ? prefix.size() : 0, text.size());
}

Value remove_suffix(const Value& subject, const Arguments& arguments, Budget&) {
  const MarkedText& text = subject.as_text();
  const MarkedText& suffix = text_argument(arguments, 0, "suffix");
  return text.slice(0, text.size() - (text.view().ends_with(suffix.view()) ? suffix.size() : 0));
}

Value zero_fill(const Value& subject, const Arguments& arguments, Budget&) {
  const MarkedText& text = subject.as_text();
  const Int missing = arguments.whole(0, "width", 0) - length_of(subject);
  if (missing <= 0) return subject;
  const bool has_sign = text.view().starts_with('-') || text.view().starts_with('+');
  MarkedText out = text.slice(0, has_sign);
  const auto zeros = static_cast<size_t>(std::min<Int>(missing, kMaxOutputBytes + 1));
  out.append(std::string(zeros, '0'), true);
  out.append(text, has_sign, text.size());
  return out;
}

// isdigit() and the like: every character passes, and there is one.
template <bool (*kPasses)(char32_t)>
Value all_characters(const Value& subject, const Arguments&, Budget&) {
  const std::string_view text = subject.as_text().view();
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_code_point(text, i);
    if (!kPasses(c.value)) return false;
    i += c.num_bytes;
  }
  return !text.empty();
}

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
// Letters beyond the mapped ranges count too: most scripts have no case.
bool is_letter(char32_t c) { return is_cased(c) || (c > 0xFF && is_printable(c)); }
bool is_letter_or_digit(char32_t c) { return is_letter(c) || is_digit(c); }
bool is_ascii(char32_t c) { return c < 0x80; }

// isupper() and islower(): some letter has case, and none has the other.
template <char32_t (*kMap)(char32_t)>
Value has_one_case(const Value& subject, const Arguments&, Budget&) {
  const std::string_view text = subject.as_text().view();
  bool cased = false;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_code_point(text, i);
    if (kMap(c.value) != c.value) return false;
    cased = cased || is_cased(c.value);
    i += c.num_bytes;
  }
  return cased;
}

Value lines(const Value& subject, const Arguments& arguments, Budget& budget) {
  return Value::list(split_lines(subject.as_text(), arguments.flag(0, "keepends"), budget));
}

Value not_supported(const Value&, const Arguments&, Budget&) {
  fail("this string method is not supported in a chat template");
}

template <MarkedText (*kMap)(const MarkedText&)>
Value mapped(const Value& subject, const Arguments& arguments, Budget&) {
  arguments.limit("a case method", 0);
  return kMap(subject.as_text());
}

template <bool kLeft, bool kRight>
Value strip_method(const Value& subject, const Arguments& arguments, Budget&) {
  return strip_ends(subject, arguments, {kLeft, kRight});
}

}  // namespace

const BuiltinTable& text_methods() {
  static const BuiltinTable table = {
      {"startswith", starts_with},
      {"endswith", ends_with},
      {"strip", strip_method<true, true>},
      {"lstrip", strip_method<true, false>},
      {"rstrip", strip_method<false, true>},
      {"split", split<false>},
      {"rsplit", split<true>},
      {"splitlines", lines},
      {"partition", partition<false>},
      {"rpartition", partition<true>},
      {"find", find<false>},
      {"rfind", find<true>},
      {"index", index<false>},
      {"rindex", index<true>},
      {"count", count},
      {"replace", replace_all},
      {"join", join},
      {"removeprefix", remove_prefix},
      {"removesuffix", remove_suffix},
      {"zfill", zero_fill},
      {"upper", mapped<upper_case>},
      {"lower", mapped<lower_case>},
      {"casefold", mapped<lower_case>},
      {"title", mapped<title_case>},
      {"capitalize", mapped<capitalized>},
      {"swapcase", mapped<swapped_case>},
      {"isdigit", all_characters<is_digit>},
      {"isdecimal", all_characters<is_digit>},
      {"isnumeric", all_characters<is_digit>},
      {"isalpha", all_characters<is_letter>},
      {"isalnum", all_characters<is_letter_or_digit>},
      {"isspace", all_characters<is_space>},
      {"isascii", all_characters<is_ascii>},
      {"isupper", has_one_case<to_upper>},
      {"islower", has_one_case<to_lower>},
      {"center", not_supported},
      {"encode", not_supported},
      {"expandtabs", not_supported},
      {"format", not_supported},
      {"format_map", not_supported},
      {"isidentifier", not_supported},
      {"isprintable", not_supported},
      {"istitle", not_supported},
      {"ljust", not_supported},
      {"rjust", not_supported},
      {"maketrans", not_supported},
      {"translate", not_supported},
  };
  return table;
}

}  // namespace shoal::text::jinja
