// The few Unicode 15.0.0 properties that the tokenizer reads. Code points that a later version
// assigned count as kOther and normalise to themselves. Any value is accepted.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>

namespace shoal::text {

// General_Category L*, M*, N*, or the property White_Space; all else is kOther.
enum class CharClass : uint8_t { kOther, kLetter, kMark, kNumber, kSpace };

CharClass char_class(char32_t code_point);

struct NormalProperties {
  uint8_t combining_class;  // 0: a starter
  bool needs_care;          // NFC_Quick_Check is not Yes
};
NormalProperties normal_properties(char32_t code_point);

// One step of canonical decomposition, Hangul syllables excluded; second is 0 for a singleton.
std::optional<std::pair<char32_t, char32_t>> decompose_once(char32_t code_point);

// The primary composite of two code points, Hangul excluded.
std::optional<char32_t> compose_pair(char32_t first, char32_t second);

}  // namespace shoal::text
