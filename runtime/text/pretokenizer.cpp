#include "runtime/text/pretokenizer.h"

#include "runtime/text/unicode.h"
#include "runtime/text/utf8.h"

namespace shoal::text {
namespace {

struct Char {
  char32_t value = 0;
  CharClass char_class = CharClass::kOther;
  size_t end = 0;       // position after it
  bool exists = false;  // false past the end of the text
};

Char char_at(std::string_view text, size_t pos) {
  if (pos >= text.size()) return {};
  const CodePoint point = decode_code_point(text, pos);
  return {point.value, char_class(point.value), pos + point.num_bytes, true};
}

bool is_line_end(const Char& c) { return c.value == '\r' || c.value == '\n'; }

bool is_word_char(const Char& c) {
  return c.char_class == CharClass::kLetter || c.char_class == CharClass::kMark;
}

bool is_punctuation(const Char& c) { return c.exists && c.char_class == CharClass::kOther; }

template <class Predicate>
size_t skip_while(std::string_view text, size_t pos, Predicate&& accepts) {
  for (Char c = char_at(text, pos); c.exists && accepts(c); c = char_at(text, pos)) pos = c.end;
  return pos;
}

// Simple case folding; beside ASCII only U+017F (long s) folds to a letter of the contractions.
char32_t folded(char32_t value) {
  if (value >= 'A' && value <= 'Z') return value + ('a' - 'A');
  return value == 0x17F ? U's' : value;
}

// Where a contraction that starts at text[pos] ends; pos if there is none.
size_t contraction_end(std::string_view text, size_t pos) {
  const Char quote = char_at(text, pos);
  if (quote.value != '\'') return pos;
  const Char one = char_at(text, quote.end);
  if (!one.exists) return pos;
  const char32_t first = folded(one.value);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return one.end;
  const Char two = char_at(text, one.end);
  if (!two.exists) return pos;
  const char32_t second = folded(two.value);
  const bool pair = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                    (first == 'l' && second == 'l');
  return pair ? two.end : pos;
}

size_t white_space_end(std::string_view text, size_t pos) {
  size_t end = pos, last_start = pos, after_line_end = pos;
  for (Char c = char_at(text, end); c.exists && c.char_class == CharClass::kSpace;
       c = char_at(text, end)) {
    last_start = end;
    end = c.end;
    if (is_line_end(c)) after_line_end = end;
  }
  if (after_line_end > pos) return after_line_end;
  const bool leave_last = end < text.size() && last_start > pos;
  return leave_last ? last_start : end;
}

size_t word_end(std::string_view text, size_t pos) {
  if (const size_t end = contraction_end(text, pos); end > pos) return end;
  const Char first = char_at(text, pos);
  if (is_word_char(first)) return skip_while(text, first.end, is_word_char);
  if (first.char_class == CharClass::kNumber) return first.end;
  const Char next = char_at(text, first.end);
  if (!is_line_end(first) && is_word_char(next)) return skip_while(text, next.end, is_word_char);
  const bool punctuation_after_space = first.value == ' ' && is_punctuation(next);
  if (is_punctuation(first) || punctuation_after_space)
    return skip_while(text, skip_while(text, first.end, is_punctuation), is_line_end);
  return white_space_end(text, pos);
}

}  // namespace

size_t word_bytes(std::string_view text, size_t pos) { return word_end(text, pos) - pos; }

}  // namespace shoal::text
