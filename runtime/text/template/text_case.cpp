#include "runtime/text/template/text_case.h"

#include "runtime/text/template/characters.h"

namespace shoal::text::jinja {

MarkedText upper_case(const MarkedText& text) { return map_characters(text, to_upper); }

MarkedText lower_case(const MarkedText& text) { return map_characters(text, to_lower); }

MarkedText swapped_case(const MarkedText& text) {
  return map_characters(text,
                        [](char32_t c) { return to_upper(c) != c ? to_upper(c) : to_lower(c); });
}

MarkedText capitalized(const MarkedText& text) {
  bool first = true;
  return map_characters(text, [&](char32_t c) {
    const char32_t mapped = first ? to_upper(c) : to_lower(c);
    first = false;
    return mapped;
  });
}

MarkedText title_case(const MarkedText& text) {
  bool inside_word = false;
  return map_characters(text, [&](char32_t c) {
    const char32_t mapped = inside_word ? to_lower(c) : to_upper(c);
    inside_word = is_cased(c);
    return mapped;
  });
}

MarkedText title_words(const MarkedText& text) {
  bool inside_word = false;
  return map_characters(text, [&](char32_t c) {
    const bool separates = is_space(c) || c == '-' || c == '(' || c == '[' || c == '{' || c == '<';
    const char32_t mapped = inside_word ? to_lower(c) : to_upper(c);
    inside_word = !separates;
    return mapped;
  });
}

}  // namespace shoal::text::jinja
