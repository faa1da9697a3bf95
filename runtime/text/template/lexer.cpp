#include "runtime/text/template/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/base/printable.h"
#include "runtime/text/template/characters.h"
#include "runtime/text/template/template_error.h"
#include "runtime/text/utf8.h"

namespace shoal::text::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_char(char c) {
  return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

size_t skip_space(std::string_view text, size_t pos) {
  while (pos < text.size()) {
    const CodePoint c = decode_code_point(text, pos);
    if (!is_space(c.value)) break;
    pos += c.num_bytes;
  }
  return pos;
}

std::string_view strip_right(std::string_view text) {
  size_t end = 0;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_code_point(text, i);
    i += c.num_bytes;
    if (!is_space(c.value)) end = i;
  }
  return text.substr(0, end);
}

// Line ends become \n, and one at the very end of the source goes, as Jinja does by default.
std::string normalize_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalize_lines(source)) {}

  std::vector<Token> run() {
    while (pos_ < source_.size()) read_data_and_tag();
    push(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(pos_); }
  bool at(std::string_view text) const { return rest().starts_with(text); }

  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

  void move_to(size_t pos) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(pos_),
                                         source_.begin() + static_cast<ptrdiff_t>(pos),
                                         '\n'));
    pos_ = pos;
  }

  // What white space control leaves of the literal text before a tag with the given edge sign.
  std::string_view control(std::string_view text, char sign, bool is_variable) const {
    if (sign == '-') return strip_right(text);
    if (sign == '+' || is_variable) return text;
    const size_t line_start = text.rfind('\n') + 1;  // npos + 1 is 0
    if (line_start == 0 && !line_starting_) return text;
    if (line_start == text.size() || skip_space(text, line_start) != text.size()) return text;
    return text.substr(0, line_start);
  }

  void push_data(std::string_view text, char sign, bool is_variable) {
    const std::string_view kept = control(text, sign, is_variable);
    if (!kept.empty()) push(TokenKind::kData, std::string(kept));
  }

  // Past the end tag at pos_ ("%}" and the like): its white space goes with it.
  void finish_tag(char sign, bool trims_newline) {
    size_t end = pos_ + (sign ? 3 : 2);
    if (sign == '-') {
      end = skip_space(source_, end);
    } else if (!sign && trims_newline && end < source_.size() && source_[end] == '\n') {
      ++end;
    }
    move_to(end);
    line_starting_ = source_[end - 1] == '\n';
  }

  void read_data_and_tag() {
    size_t open = source_.find('{', pos_);
    while (open != std::string::npos) {
      const char next = open + 1 < source_.size() ? source_[open + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') break;
      open = source_.find('{', open + 1);
    }
    if (open == std::string::npos) {
      push(TokenKind::kData, std::string(rest()));
      return move_to(source_.size());
    }
    const std::string_view text = rest().substr(0, open - pos_);
    const char kind = source_[open + 1];
    const size_t after = open + 2;
    const bool has_sign =
        after < source_.size() && (source_[after] == '-' || source_[after] == '+');
    const char sign = has_sign ? source_[after] : '\0';
    push_data(text, sign, kind == '{');
    move_to(after + has_sign);
    if (kind == '#') return read_comment();
    if (kind == '%' && read_raw()) return;
    push(kind == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, "");
    read_expression_tokens(kind == '{');
  }

  void read_comment() {
    const size_t close = source_.find("#}", pos_);
    if (close == std::string::npos) throw TemplateError(line_, "missing end of comment tag");
    const char before = close > pos_ ? source_[close - 1] : '\0';
    const char sign = before == '-' || before == '+' ? before : '\0';
    move_to(sign ? close - 1 : close);
    finish_tag(sign, true);
  }

  // {% raw %} ... {% endraw %}: text that is not looked into.
  bool read_raw() {
    size_t pos = skip_space(source_, pos_);
    if (std::string_view(source_).substr(pos, 3) != "raw") return false;
    pos = skip_space(source_, pos + 3);
    const bool strips = std::string_view(source_).substr(pos, 3) == "-%}";
    if (!strips && std::string_view(source_).substr(pos, 2) != "%}") return false;
    move_to(pos);
    finish_tag(strips ? '-' : '\0', false);
    for (size_t open = source_.find("{%", pos_); open != std::string::npos;
         open = source_.find("{%", open + 2)) {
      size_t end = open + 2;
      const char edge = end < source_.size() ? source_[end] : '\0';
      const char sign = edge == '-' || edge == '+' ? edge : '\0';
      end = skip_space(source_, end + (sign ? 1 : 0));
      if (std::string_view(source_).substr(end, 6) != "endraw") continue;
      end = skip_space(source_, end + 6);
      const std::string_view close = std::string_view(source_).substr(end, 3);
      const char close_sign = close == "-%}" || close == "+%}" ? close[0] : '\0';
      if (!close_sign && !close.starts_with("%}")) continue;
      push_data(rest().substr(0, open - pos_), sign, false);
      move_to(end);
      finish_tag(close_sign, true);
      return true;
    }
    throw TemplateError(line_, "missing end of raw block");
  }

  void read_expression_tokens(bool is_variable) {
    const std::string_view close = is_variable ? "}}" : "%}";
    const int opened_at = line_;
    std::string open_brackets;
    while (true) {
      move_to(skip_space(source_, pos_));
      if (pos_ >= source_.size()) throw TemplateError(opened_at, "tag is never closed");
      if (open_brackets.empty()) {
        const bool has_sign = at("-") || (at("+") && !is_variable);
        const bool signed_end = has_sign && rest().substr(1).starts_with(close);
        if (signed_end || at(close)) {
          push(is_variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, "");
          return finish_tag(signed_end ? source_[pos_] : '\0', !is_variable);
        }
      }
      const char c = source_[pos_];
      if (is_digit(c)) {
        read_number();
      } else if (is_name_char(c)) {
        read_name();
      } else if (c == '"' || c == '\'') {
        read_string(c);
      } else {
        read_operator(open_brackets);
      }
    }
  }

  void read_name() {
    size_t end = pos_;
    while (end < source_.size() && is_name_char(source_[end])) ++end;
    push(TokenKind::kName, source_.substr(pos_, end - pos_));
    move_to(end);
  }

  size_t skip_digits(size_t pos) const {
    while (pos < source_.size() &&
           (is_digit(source_[pos]) ||
            (source_[pos] == '_' && pos + 1 < source_.size() && is_digit(source_[pos + 1])))) {
      ++pos;
    }
    return pos;
  }

  bool digit_at(size_t pos) const { return pos < source_.size() && is_digit(source_[pos]); }

  void read_number() {
    const std::string_view text = source_;
    size_t end = pos_;
    TokenKind kind = TokenKind::kInteger;
    const char radix = pos_ + 1 < text.size() ? static_cast<char>(text[pos_ + 1] | 0x20) : '\0';
    if (text[pos_] == '0' && (radix == 'x' || radix == 'o' || radix == 'b')) {
      end = pos_ + 2;
      while (end < text.size() && is_name_char(text[end])) ++end;
    } else {
      end = skip_digits(pos_);
      const bool after_dot = pos_ > 0 && text[pos_ - 1] == '.';  // foo.0.1 has no float in it
      if (!after_dot && end < text.size() && text[end] == '.' && digit_at(end + 1)) {
        end = skip_digits(end + 1);
        kind = TokenKind::kFloat;
      }
      if (!after_dot && end < text.size() && (text[end] | 0x20) == 'e') {
        const bool exponent_sign =
            end + 1 < text.size() && (text[end + 1] == '+' || text[end + 1] == '-');
        const size_t digits = end + 1 + exponent_sign;
        if (digit_at(digits)) {
          end = skip_digits(digits);
          kind = TokenKind::kFloat;
        }
      }
    }
    std::string digits(text.substr(pos_, end - pos_));
    std::erase(digits, '_');
    push(kind, std::move(digits));
    move_to(end);
  }

  void read_string(char quote) {
    size_t end = pos_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) throw TemplateError(line_, "string is never closed");
    push(TokenKind::kString,
         unescape(std::string_view(source_).substr(pos_ + 1, end - pos_ - 1), line_));
    move_to(end + 1);
  }

  void read_operator(std::string& open_brackets) {
    static constexpr std::string_view kPairs[] = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kSigns = "+-/*%~[](){}><=.:|,;";
    for (const std::string_view pair : kPairs) {
      if (!at(pair)) continue;
      push(TokenKind::kOperator, std::string(pair));
      return move_to(pos_ + 2);
    }
    const char c = source_[pos_];
    if (kSigns.find(c) == std::string_view::npos) {
      throw TemplateError(line_,
                          fmt::format("unexpected character '{}'", printable(rest().substr(0, 1))));
    }
    if (c == '(' || c == '[' || c == '{') {
      open_brackets += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open_brackets.empty()) throw TemplateError(line_, fmt::format("unexpected '{}'", c));
      if (open_brackets.back() != c) {
        throw TemplateError(line_,
                            fmt::format("unexpected '{}', expected '{}'", c, open_brackets.back()));
      }
      open_brackets.pop_back();
    }
    push(TokenKind::kOperator, std::string(1, c));
    move_to(pos_ + 1);
  }

  const std::string source_;
  size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the last tag ended with a newline, or none came yet
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace shoal::text::jinja
