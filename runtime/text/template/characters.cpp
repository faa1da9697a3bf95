#include "runtime/text/template/characters.h"

#include <string.h>

#include <algorithm>
#include <vector>

namespace shoal::text::jinja {

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t c) {
  if (c < 0x7F) return c >= 0x20;
  const bool control = c < 0xA1 || c == 0xAD;
  const bool format = c == 0x61C || c == 0x6DD || c == 0x70F || c == 0x180E || c == 0xFEFF ||
                      (c >= 0x600 && c <= 0x605) || (c >= 0x200B && c <= 0x200F) ||
                      (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
                      (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0001 && c <= 0xE007F);
  const bool private_use = (c >= 0xD800 && c <= 0xF8FF) || c >= 0xF0000;
  return !control && !format && !private_use && !is_space(c);
}

char32_t to_upper(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  if (c >= 0xE0 && c <= 0xFE && c != 0xF7) return c - 32;
  if (c == 0xFF) return 0x178;
  const bool odd_is_lower = (c >= 0x100 && c <= 0x137 && c != 0x131) || (c >= 0x14A && c <= 0x177);
  if (odd_is_lower) return c & 1 ? c - 1 : c;
  const bool even_is_lower = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
  if (even_is_lower) return c & 1 ? c : c - 1;
  if (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2) return c - 32;
  if (c >= 0x430 && c <= 0x44F) return c - 32;
  if (c >= 0x450 && c <= 0x45F) return c - 80;
  return c;
}

char32_t to_lower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
  if (c == 0x178) return 0xFF;
  const bool even_is_upper = (c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14A && c <= 0x177);
  if (even_is_upper) return c & 1 ? c : c + 1;
  const bool odd_is_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
  if (odd_is_upper) return c & 1 ? c + 1 : c;
  if (c >= 0x391 && c <= 0x3A9 && c != 0x3A2) return c + 32;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  return c;
}

bool is_cased(char32_t c) {
  const bool has_no_single_upper = c == 0xDF || c == 0x149 || (c >= 0xFB00 && c <= 0xFB06);
  return has_no_single_upper || to_upper(c) != c || to_lower(c) != c;
}

size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) i += decode_code_point(text, i).num_bytes;
  return count;
}

size_t offset_of(std::string_view text, size_t index) {
  size_t offset = 0;
  for (; index > 0 && offset < text.size(); --index) {
    offset += decode_code_point(text, offset).num_bytes;
  }
  return offset;
}

size_t find_bytes(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  // memmem is two-way and so linear; std::string_view::find is quadratic on hostile input.
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  if (!found) return std::string_view::npos;
  return static_cast<const char*>(found) - text.data();
}

size_t find_last_bytes(std::string_view text, std::string_view needle) {
  const std::string reversed_text(text.rbegin(), text.rend());
  const std::string reversed_needle(needle.rbegin(), needle.rend());
  const size_t found = find_bytes(reversed_text, reversed_needle);
  return found == std::string_view::npos ? found : text.size() - found - needle.size();
}

MarkedText strip(const MarkedText& text, const std::string_view* set, StripEnds ends) {
  std::vector<char32_t> stripped;
  for (size_t i = 0; set && i < set->size();) {
    const CodePoint c = decode_code_point(*set, i);
    stripped.push_back(c.value);
    i += c.num_bytes;
  }
  std::sort(stripped.begin(), stripped.end());
  const auto drop = [&](char32_t c) {
    return set ? std::binary_search(stripped.begin(), stripped.end(), c) : is_space(c);
  };
  const std::string_view bytes = text.view();
  size_t begin = 0;
  while (ends.left && begin < bytes.size()) {
    const CodePoint c = decode_code_point(bytes, begin);
    if (!drop(c.value)) break;
    begin += c.num_bytes;
  }
  size_t end = bytes.size();
  while (ends.right && end > begin) {
    size_t start = end - 1;
    while (start > begin && end - start < 4 && (bytes[start] & 0xC0) == 0x80) --start;
    if (start + decode_code_point(bytes, start).num_bytes != end) start = end - 1;
    if (!drop(decode_code_point(bytes, start).value)) break;
    end = start;
  }
  return text.slice(begin, end);
}

}  // namespace shoal::text::jinja
