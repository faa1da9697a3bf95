// Characters as Python's str sees them: indices count code points, white space and case follow
// Unicode. Case mapping is one to one and covers ASCII, Latin-1, Latin Extended-A, Greek and
// Cyrillic; other letters keep their case. Offsets are bytes, counts are code points.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/text/template/marked_text.h"
#include "runtime/text/utf8.h"

namespace shoal::text::jinja {

bool is_space(char32_t c);  // str.isspace()
bool is_printable(
    char32_t c);  // what repr() leaves unescaped; unassigned code points count as printable
char32_t to_upper(char32_t c);
char32_t to_lower(char32_t c);
bool is_cased(char32_t c);

size_t count_characters(std::string_view text);
// Byte offset of the character at `index`; text.size() when there are no more.
size_t offset_of(std::string_view text, size_t index);

// Linear-time search; npos when absent.
size_t find_bytes(std::string_view text, std::string_view needle, size_t from = 0);
size_t find_last_bytes(std::string_view text, std::string_view needle);

// The byte range that is left after the given characters (white space when `set` is null) are
// taken off the chosen ends.
struct StripEnds {
  bool left = true;
  bool right = true;
};
MarkedText strip(const MarkedText& text, const std::string_view* set, StripEnds ends);

// Each character mapped; the author of each stays.
template <class Map>
MarkedText map_characters(const MarkedText& text, Map&& map) {
  MarkedText out;
  text.for_each_run([&](std::string_view run, bool trusted) {
    std::string mapped;
    for (size_t i = 0; i < run.size();) {
      const CodePoint c = decode_code_point(run, i);
      const char32_t to = c.well_formed ? map(c.value) : c.value;
      if (to == c.value) {
        mapped += run.substr(i, c.num_bytes);
      } else {
        append_utf8(mapped, to);
      }
      i += c.num_bytes;
    }
    out.append(mapped, trusted);
  });
  return out;
}

}  // namespace shoal::text::jinja
