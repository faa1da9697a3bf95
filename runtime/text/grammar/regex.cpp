#include "runtime/text/grammar/regex.h"

#include <fmt/format.h>

#include <vector>

#include "runtime/base/printable.h"
#include "runtime/text/grammar/char_set.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/utf8.h"

namespace shoal::grammar {
namespace {

enum class Where : uint8_t { kText, kJsonString };

const CharSet kDigits = {{'0', '9'}};
const CharSet kWordChars = {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}};
const CharSet kSpaces = {{'\t', '\r'}, {' ', ' '}};

class RegexParser {
 public:
  RegexParser(std::string_view pattern, Where where) : pattern_(pattern), where_(where) {}

  std::string parse() {
    if (pattern_.size() > kMaxSourceBytes)
      throw RefusedGrammar(fmt::format(
          "the regular expression has {} bytes, at most {}", pattern_.size(), kMaxSourceBytes));
    if (!text::is_well_formed(pattern_)) refuse("it is not UTF-8");
    std::string out = parse_choice(0);
    if (!at_end()) refuse(fmt::format("'{}' is out of place", printable(pattern_.substr(at_, 1))));
    return out;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw RefusedGrammar(fmt::format(
        "regular expression \"{}\", at byte {}: {}", printable(pattern_, 80), at_, what));
  }

  bool at_end() const { return at_ >= pattern_.size(); }
  char peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  bool take(std::string_view word) {
    if (pattern_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  std::string expression(const CharSet& set) const {
    if (set.empty()) refuse("a character class matches nothing");
    return where_ == Where::kText ? to_gbnf(set) : json_string_char(set);
  }

  std::string parse_choice(int depth) {
    if (depth > kMaxSourceDepth) refuse(fmt::format("nested deeper than {}", kMaxSourceDepth));
    std::string out = parse_sequence(depth);
    while (take("|")) out += " | " + parse_sequence(depth);
    return out;
  }

  std::string parse_sequence(int depth) {
    std::string out;
    const auto add = [&out](const std::string& item) { out += (out.empty() ? "" : " ") + item; };
    const bool searches = where_ == Where::kJsonString && depth == 0;
    const std::string anything = searches ? expression(CharSet::any()) + "*" : "";
    const bool from_start = depth == 0 && take("^");
    if (searches && !from_start) add(anything);
    bool to_end = false;
    while (!at_end() && peek() != '|' && peek() != ')') {
      if (depth == 0 && peek() == '$' && (at_ + 1 == pattern_.size() || peek(1) == '|')) {
        ++at_;
        to_end = true;
        break;
      }
      add(parse_repeated(depth));
    }
    if (searches && !to_end) add(anything);
    return out.empty() ? "\"\"" : out;
  }

  std::string parse_repeated(int depth) {
    std::string item = parse_item(depth);
    std::string count;
    const char c = peek();
    if (c == '*' || c == '+' || c == '?') {
      count = c;
      ++at_;
    } else if (c == '{' && peek(1) >= '0' && peek(1) <= '9') {
      count = take_counts();
    } else {
      return item;
    }
    if (peek() == '+') refuse("possessive repetition");
    take("?");
    const char next = peek();
    if (next == '*' || next == '+' || next == '?' ||
        (next == '{' && peek(1) >= '0' && peek(1) <= '9'))
      refuse("a repetition of a repetition; put the inner one in a group");
    return item + count;
  }

  std::string take_counts() {
    ++at_;
    const int min = take_number();
    int max = min;
    bool endless = false;
    if (take(",")) {
      endless = peek() == '}';
      if (!endless) max = take_number();
    }
    if (!take("}")) refuse("'}' is missing in a repetition {m,n}");
    if (!endless && max < min) refuse(fmt::format("repetition {{{},{}}} is upside down", min, max));
    return endless ? fmt::format("{{{},}}", min) : fmt::format("{{{},{}}}", min, max);
  }

  int take_number() {
    if (peek() < '0' || peek() > '9') refuse("a number is expected in a repetition {m,n}");
    int value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      value = value * 10 + (peek() - '0');
      if (value > kMaxRepeat) refuse(fmt::format("a repetition above {}", kMaxRepeat));
    }
    return value;
  }

  std::string parse_item(int depth) {
    switch (peek()) {
      case '(':
        return parse_group(depth);
      case '[':
        return expression(parse_class());
      case '.':
        ++at_;
        return expression(CharSet{{'\n', '\n'}}.complement());
      case '\\':
        return expression(parse_escape(false));
      case '^':
        refuse("'^' inside the pattern");
      case '$':
        refuse("'$' inside the pattern");
      case '*':
      case '+':
      case '?':
        refuse(fmt::format("'{}' has nothing to repeat", peek()));
      default: {
        const char32_t value = take_char();
        return expression({{value, value}});
      }
    }
  }

  std::string parse_group(int depth) {
    ++at_;
    if (take("?")) {
      if (peek() == '=' || peek() == '!') refuse("lookahead (?=...)");
      if (peek() == '<' && (peek(1) == '=' || peek(1) == '!')) refuse("lookbehind (?<=...)");
      if (take("P<") || take("<")) {
        const size_t end = pattern_.find('>', at_);
        if (end == std::string_view::npos) refuse("a group's name is not closed");
        at_ = end + 1;
      } else if (!take(":")) {
        refuse(fmt::format("group (?{}", printable(pattern_.substr(at_, 1))));
      }
    }
    const std::string inner = parse_choice(depth + 1);
    if (!take(")")) refuse("')' is missing");
    return "(" + inner + ")";
  }

  CharSet parse_class() {
    ++at_;
    const bool negated = take("^");
    CharSet set;
    for (bool first = true; first || peek() != ']'; first = false) {
      if (at_end()) refuse("a character class is not closed");
      if (first && peek() == ']') break;
      if (peek() == '[' && (peek(1) == ':' || peek(1) == '.' || peek(1) == '='))
        refuse("a named class [[:...:]]");
      const CharSet low = peek() == '\\' ? parse_escape(true) : single(take_char());
      if (peek() != '-' || peek(1) == ']' || peek(1) == '\0') {
        set.add(low);
        continue;
      }
      ++at_;
      const CharSet high = peek() == '\\' ? parse_escape(true) : single(take_char());
      if (!is_single(low) || !is_single(high)) refuse("a range between classes");
      if (high.ranges().front().first < low.ranges().front().first)
        refuse("a range in a character class is upside down");
      set.add(low.ranges().front().first, high.ranges().front().first);
    }
    ++at_;
    return negated ? set.complement() : set;
  }

  static CharSet single(char32_t value) { return {{value, value}}; }
  static bool is_single(const CharSet& set) {
    return set.ranges().size() == 1 && set.ranges().front().first == set.ranges().front().last;
  }

  char32_t take_char() {
    const text::CodePoint point = text::decode_code_point(pattern_, at_);
    at_ += point.num_bytes;
    return point.value;
  }

  CharSet parse_escape(bool in_class) {
    ++at_;
    if (at_end()) refuse("an escape is not finished");
    const char c = peek();
    switch (c) {
      case 'd':
        ++at_;
        return kDigits;
      case 'D':
        ++at_;
        return kDigits.complement();
      case 'w':
        ++at_;
        return kWordChars;
      case 'W':
        ++at_;
        return kWordChars.complement();
      case 's':
        ++at_;
        return kSpaces;
      case 'S':
        ++at_;
        return kSpaces.complement();
      case 'n':
        ++at_;
        return single('\n');
      case 'r':
        ++at_;
        return single('\r');
      case 't':
        ++at_;
        return single('\t');
      case 'f':
        ++at_;
        return single('\f');
      case 'v':
        ++at_;
        return single('\v');
      case 'x':
        ++at_;
        return single(take_hex(2));
      case 'u':
        ++at_;
        return single(take("{") ? take_braced_hex() : take_hex(4));
      case '0':
        ++at_;
        return single('\0');
      case 'b':
      case 'B':
        refuse(in_class ? "a backspace \\b" : fmt::format("word boundary \\{}", c));
      default:
        break;
    }
    if (c >= '1' && c <= '9') refuse(fmt::format("backreference \\{}", c));
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) refuse(fmt::format("escape \\{}", c));
    return single(take_char());
  }

  char32_t take_hex(int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i) value = value * 16 + take_hex_digit();
    return checked(value);
  }

  char32_t take_braced_hex() {
    uint32_t value = 0;
    do {
      value = value * 16 + take_hex_digit();
      if (value > kMaxCodePoint) break;
    } while (peek() != '}');
    checked(value);
    if (!take("}")) refuse("'}' is missing in \\u{...}");
    return value;
  }

  uint32_t take_hex_digit() {
    const char c = peek();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) refuse("an escape lacks a hexadecimal digit");
    ++at_;
    return static_cast<uint32_t>(digit);
  }

  char32_t checked(uint32_t value) const {
    if (value > kMaxCodePoint || (value >= 0xD800 && value <= 0xDFFF))
      refuse(fmt::format("{:#x} is no character", value));
    return value;
  }

  std::string_view pattern_;
  Where where_;
  size_t at_ = 0;
};

}  // namespace

std::string json_string_char(const CharSet& set) {
  static const CharSet kEscaped = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
  struct Short {
    char32_t value;
    const char* letter;
  };
  static constexpr Short kShort[] = {{'"', "\\\""},
                                     {'\\', "\\\\"},
                                     {'\b', "b"},
                                     {'\f', "f"},
                                     {'\n', "n"},
                                     {'\r', "r"},
                                     {'\t', "t"}};
  std::string out;
  const auto add = [&out](const std::string& item) { out += (out.empty() ? "" : " | ") + item; };
  if (const CharSet plain = set.without(kEscaped); !plain.empty()) add(to_gbnf(plain));
  for (const Short& escape : kShort)
    if (set.contains(escape.value)) add(fmt::format("\"\\\\{}\"", escape.letter));
  for (char32_t value = 0; value < 0x20; ++value) {
    const bool is_short = (value >= '\b' && value <= '\n') || value == '\f' || value == '\r';
    if (set.contains(value) && !is_short)
      add(fmt::format("\"\\\\u{:04x}\"", static_cast<uint32_t>(value)));
  }
  return "(" + out + ")";
}

std::string json_string_matching(std::string_view pattern) {
  return "(" + RegexParser(pattern, Where::kJsonString).parse() + ")";
}

std::variant<std::string, Refusal> gbnf_from_regex(std::string_view pattern) {
  try {
    return "root ::= " + RegexParser(pattern, Where::kText).parse() + "\n";
  } catch (const RefusedGrammar& refused) {
    return Refusal{refused.what()};
  }
}

}  // namespace shoal::grammar
