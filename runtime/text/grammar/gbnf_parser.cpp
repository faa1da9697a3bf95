#include "runtime/text/grammar/gbnf_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "runtime/base/printable.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/grammar/refusal.h"
#include "runtime/text/utf8.h"

namespace shoal::grammar {
namespace {

constexpr int kMaxStacked = 4;  // a{2}{3}*+

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class GbnfParser {
 public:
  explicit GbnfParser(std::string_view text) : text_(text) {}

  Syntax parse() {
    if (text_.size() > kMaxGrammarBytes)
      refuse(fmt::format("the grammar has {} bytes, at most {}", text_.size(), kMaxGrammarBytes));
    if (!text::is_well_formed(text_)) refuse("the grammar is not UTF-8");
    skip_blank(true);
    while (!at_end()) parse_rule();
    const auto root = rules_.find("root");
    if (root == rules_.end() || syntax_.rules[static_cast<size_t>(root->second)].body < 0)
      refuse("the grammar has no rule 'root'");
    for (const Rule& rule : syntax_.rules)
      if (rule.body < 0)
        throw RefusedGrammar(fmt::format("rule '{}' is used but not defined", rule.name));
    syntax_.start = root->second;
    return std::move(syntax_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<long>(at_), '\n');
    throw RefusedGrammar(fmt::format("line {}: {}", line, what));
  }

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  void skip_blank(bool over_lines) {
    while (!at_end()) {
      const char c = peek();
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == ' ' || c == '\t' || (over_lines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string take_name() {
    const size_t begin = at_;
    while (!at_end() && is_name_char(peek())) ++at_;
    if (at_ == begin)
      refuse(at_end() ? "a rule name is expected at the end"
                      : fmt::format("a rule name is expected before '{}'",
                                    printable(text_.substr(at_, 1))));
    return std::string(text_.substr(begin, at_ - begin));
  }

  int rule_of(const std::string& name) {
    const auto [found, is_new] = rules_.try_emplace(name, static_cast<int>(syntax_.rules.size()));
    if (is_new) syntax_.rules.push_back({name, -1});
    return found->second;
  }

  void parse_rule() {
    const std::string name = take_name();
    const int rule = rule_of(name);
    if (syntax_.rules[static_cast<size_t>(rule)].body >= 0)
      refuse(fmt::format("rule '{}' is defined twice", name));
    skip_blank(false);
    if (!take("::=")) refuse(fmt::format("'::=' is expected after '{}'", name));
    skip_blank(true);
    const int body = parse_choice(0);
    syntax_.rules[static_cast<size_t>(rule)].body = body;
    if (!at_end() && peek() != '\n' && peek() != '\r')
      refuse(fmt::format("'{}' is out of place", printable(text_.substr(at_, 1))));
    skip_blank(true);
  }

  int parse_choice(int depth) {
    if (depth > kMaxSourceDepth)
      refuse(fmt::format("brackets are nested deeper than {}", kMaxSourceDepth));
    Node choice{.kind = Node::Kind::kChoice};
    choice.children.push_back(parse_sequence(depth));
    while (take("|")) {
      skip_blank(true);
      choice.children.push_back(parse_sequence(depth));
    }
    return choice.children.size() == 1 ? choice.children.front() : syntax_.add(std::move(choice));
  }

  int parse_sequence(int depth) {
    Node sequence{.kind = Node::Kind::kSequence};
    while (const auto item = parse_item(depth)) {
      int node = *item;
      int num_repetitions = 0;
      while (const auto counts = parse_repetition()) {
        if (++num_repetitions > kMaxStacked)
          refuse(fmt::format("more than {} repetitions of one item", kMaxStacked));
        node = syntax_.add({.kind = Node::Kind::kRepeat,
                            .children = {node},
                            .min = counts->first,
                            .max = counts->second});
      }
      sequence.children.push_back(node);
      skip_blank(depth > 0);
    }
    return sequence.children.size() == 1 ? sequence.children.front()
                                         : syntax_.add(std::move(sequence));
  }

  std::optional<int> parse_item(int depth) {
    const char c = peek();
    if (c == '"') return parse_literal();
    if (c == '[') return parse_class();
    if (c == '.') {
      ++at_;
      return syntax_.add({.kind = Node::Kind::kChars, .chars = CharSet::any()});
    }
    if (c == '(') {
      ++at_;
      skip_blank(true);
      const int inner = parse_choice(depth + 1);
      skip_blank(true);
      if (!take(")")) refuse("')' is missing");
      return inner;
    }
    if (c == '<' || c == '!') refuse("token references (<...>) are not supported");
    if (!is_name_char(c) || at_end()) return std::nullopt;
    return syntax_.add({.kind = Node::Kind::kRule, .rule = rule_of(take_name())});
  }

  // min and max of the repetition that stands here, if one does.
  std::optional<std::pair<int, int>> parse_repetition() {
    skip_blank(false);
    if (take("*")) return {{0, Node::kNoLimit}};
    if (take("+")) return {{1, Node::kNoLimit}};
    if (take("?")) return {{0, 1}};
    if (!take("{")) return std::nullopt;
    skip_blank(false);
    const int min = is_digit(peek()) ? take_count() : 0;
    int max = min;
    skip_blank(false);
    if (take(",")) {
      skip_blank(false);
      max = is_digit(peek()) ? take_count() : Node::kNoLimit;
      skip_blank(false);
    }
    if (!take("}")) refuse("'}' is missing in a repetition {m,n}");
    if (max != Node::kNoLimit && max < min)
      refuse(fmt::format("repetition {{{},{}}} is upside down", min, max));
    return {{min, max}};
  }

  int take_count() {
    int count = 0;
    for (; is_digit(peek()); ++at_) {
      count = count * 10 + (peek() - '0');
      if (count > kMaxRepeat) refuse(fmt::format("a repetition above {}", kMaxRepeat));
    }
    return count;
  }

  int parse_literal() {
    ++at_;
    std::string text;
    while (peek() != '"' || at_end()) {
      if (at_end() || peek() == '\n') refuse("a literal is not closed");
      text::append_utf8(text, take_char());
    }
    ++at_;
    return syntax_.add({.kind = Node::Kind::kLiteral, .text = std::move(text)});
  }

  int parse_class() {
    ++at_;
    const bool negated = take("^");
    CharSet set;
    while (peek() != ']' || at_end()) {
      if (at_end() || peek() == '\n') refuse("a character class is not closed");
      const char32_t first = take_char();
      char32_t last = first;
      if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        last = take_char();
        if (last < first) refuse("a range in a character class is upside down");
      }
      set.add(first, last);
    }
    ++at_;
    if (negated) set = set.complement();
    if (set.empty()) refuse("a character class matches nothing");
    return syntax_.add({.kind = Node::Kind::kChars, .chars = std::move(set)});
  }

  char32_t take_char() {
    if (peek() != '\\') {
      const text::CodePoint point = text::decode_code_point(text_, at_);
      at_ += point.num_bytes;
      return point.value;
    }
    ++at_;
    const char c = peek();
    if (at_end()) refuse("an escape is not finished");
    ++at_;
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return take_hex(2);
      case 'u':
        return take_hex(4);
      case 'U':
        return take_hex(8);
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
        return static_cast<char32_t>(c);
      default:
        refuse(fmt::format("escape '\\{}' is not known", printable({&c, 1})));
    }
  }

  char32_t take_hex(int digits) {
    uint64_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) refuse(fmt::format("an escape needs {} hexadecimal digits", digits));
      value = value * 16 + static_cast<uint64_t>(digit);
    }
    if (value > kMaxCodePoint || (value >= 0xD800 && value <= 0xDFFF))
      refuse(fmt::format("{:#x} is no character", value));
    return static_cast<char32_t>(value);
  }

  std::string_view text_;
  size_t at_ = 0;
  Syntax syntax_;
  std::map<std::string, int> rules_;
};

}  // namespace

Syntax parse_gbnf(std::string_view text) { return GbnfParser(text).parse(); }

}  // namespace shoal::grammar
