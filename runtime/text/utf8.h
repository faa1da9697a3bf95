// UTF-8 as bytes arrive: decoding that survives anything, repair, and the unfinished tail of a
// stream. Ill-formed input becomes U+FFFD, one for each maximal subpart (Unicode 15, section 3.9,
// "U+FFFD Substitution of Maximal Subparts"), which is also what Python's errors="replace" gives.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace shoal::text {

inline constexpr char32_t kReplacement = 0xFFFD;
inline constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

struct CodePoint {
  char32_t value;    // kReplacement where ill-formed
  size_t num_bytes;  // >= 1
  bool well_formed;
};

// The code point that starts at text[pos]; pos < text.size().
CodePoint decode_code_point(std::string_view text, size_t pos);

// `value` must be a scalar value (no surrogate, at most 0x10FFFF).
void append_utf8(std::string& out, char32_t value);

bool is_well_formed(std::string_view text);

// Ill-formed subparts replaced, all else byte for byte.
std::string sanitize_utf8(std::string_view text);

// Bytes at the end of `text` that are the start of a character which more bytes could complete:
// 0 to 3.
size_t unfinished_tail_bytes(std::string_view text);

}  // namespace shoal::text
