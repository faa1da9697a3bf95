#include "runtime/text/nfc.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "runtime/text/unicode.h"
#include "runtime/text/utf8.h"

namespace shoal::text {
namespace {

// Hangul syllables are composed by arithmetic (Unicode 15, section 3.12).
constexpr char32_t kSyllableBase = 0xAC00, kLeadBase = 0x1100, kVowelBase = 0x1161;
constexpr char32_t kTrailBase = 0x11A7;  // one before the first trailing consonant
constexpr char32_t kNumLeads = 19, kNumVowels = 21, kNumTrails = 28;
constexpr char32_t kNumSyllables = kNumLeads * kNumVowels * kNumTrails;

struct Point {
  char32_t value;
  uint8_t combining_class;
};

void append_decomposed(std::vector<Point>& out, char32_t value) {
  if (value - kSyllableBase < kNumSyllables) {
    const char32_t index = value - kSyllableBase;
    out.push_back({kLeadBase + index / (kNumVowels * kNumTrails), 0});
    out.push_back({kVowelBase + index / kNumTrails % kNumVowels, 0});
    if (index % kNumTrails != 0) out.push_back({kTrailBase + index % kNumTrails, 0});
    return;
  }
  const auto halves = decompose_once(value);
  if (!halves) {
    out.push_back({value, normal_properties(value).combining_class});
    return;
  }
  append_decomposed(out, halves->first);  // as deep as the database nests: 3
  if (halves->second != 0) append_decomposed(out, halves->second);
}

void order_marks(std::vector<Point>& points) {
  const auto is_starter = [](const Point& point) { return point.combining_class == 0; };
  for (auto at = points.begin(); at != points.end();) {
    const auto first_mark = std::find_if_not(at, points.end(), is_starter);
    const auto end = std::find_if(first_mark, points.end(), is_starter);
    std::ranges::stable_sort(first_mark, end, {}, &Point::combining_class);
    at = end;
  }
}

std::optional<char32_t> compose(char32_t first, char32_t second) {
  if (first - kLeadBase < kNumLeads && second - kVowelBase < kNumVowels)
    return kSyllableBase + ((first - kLeadBase) * kNumVowels + second - kVowelBase) * kNumTrails;
  const bool open_syllable =
      first - kSyllableBase < kNumSyllables && (first - kSyllableBase) % kNumTrails == 0;
  if (open_syllable && second > kTrailBase && second - kTrailBase < kNumTrails)
    return first + (second - kTrailBase);
  return compose_pair(first, second);
}

// Merges each point into the last starter unless something between them blocks it.
void compose_in_place(std::vector<Point>& points) {
  size_t size = 0;
  std::optional<size_t> starter;
  for (const Point& point : points) {
    if (starter) {
      const bool adjacent = *starter + 1 == size;
      const bool blocked = !adjacent && points[size - 1].combining_class >= point.combining_class;
      const auto composite = blocked ? std::nullopt : compose(points[*starter].value, point.value);
      if (composite) {
        points[*starter].value = *composite;
        continue;
      }
    }
    if (point.combining_class == 0) starter = size;
    points[size++] = point;
  }
  points.resize(size);
}

}  // namespace

bool is_surely_nfc(std::string_view text) {
  uint8_t last_class = 0;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint point = decode_code_point(text, pos);
    const NormalProperties properties = normal_properties(point.value);
    const bool out_of_order =
        properties.combining_class != 0 && properties.combining_class < last_class;
    if (properties.needs_care || out_of_order) return false;
    last_class = properties.combining_class;
    pos += point.num_bytes;
  }
  return true;
}

std::string to_nfc(std::string_view text) {
  if (is_surely_nfc(text)) return std::string(text);
  std::vector<Point> points;
  points.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint point = decode_code_point(text, pos);
    append_decomposed(points, point.value);
    pos += point.num_bytes;
  }
  order_marks(points);
  compose_in_place(points);
  std::string out;
  out.reserve(text.size());
  for (const Point& point : points) append_utf8(out, point.value);
  return out;
}

}  // namespace shoal::text
