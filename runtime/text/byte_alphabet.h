// The printable alphabet of GPT-2's byte-level vocabularies: each of the 256 bytes is spelled as
// one visible character. Bytes that are visible in Latin-1 stand for themselves, the other 68 are
// spelled U+0100, U+0101, ... in order of their value (a space is U+0120).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::text {

char32_t byte_spelling(uint8_t byte);
std::optional<uint8_t> spelled_byte(char32_t character);

// The bytes that a token of the vocabulary stands for; the token's own bytes where it is not
// spelled in the alphabet throughout.
std::string bytes_of_spelling(std::string_view token);

}  // namespace shoal::text
