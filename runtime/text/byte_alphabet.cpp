#include "runtime/text/byte_alphabet.h"

#include <array>

#include "runtime/text/utf8.h"

namespace shoal::text {
namespace {

constexpr char32_t kFirstStandIn = 0x100;

constexpr bool spells_itself(unsigned byte) {
  const bool ascii = byte >= 0x21 && byte <= 0x7E;
  const bool latin1 = byte >= 0xA1 && byte != 0xAD;  // 0xAD is the invisible soft hyphen
  return ascii || latin1;
}

constexpr auto kSpellings = [] {
  std::array<char32_t, 256> spellings{};
  char32_t stand_in = kFirstStandIn;
  for (unsigned byte = 0; byte < 256; ++byte)
    spellings[byte] = spells_itself(byte) ? byte : stand_in++;
  return spellings;
}();

constexpr auto kStandInBytes = [] {
  std::array<uint8_t, 68> bytes{};
  for (unsigned byte = 0; byte < 256; ++byte)
    if (!spells_itself(byte)) bytes[kSpellings[byte] - kFirstStandIn] = static_cast<uint8_t>(byte);
  return bytes;
}();

}  // namespace

char32_t byte_spelling(uint8_t byte) { return kSpellings[byte]; }

std::optional<uint8_t> spelled_byte(char32_t character) {
  if (character < 0x100 && spells_itself(character)) return static_cast<uint8_t>(character);
  if (character - kFirstStandIn < kStandInBytes.size())
    return kStandInBytes[character - kFirstStandIn];
  return {};
}

std::string bytes_of_spelling(std::string_view token) {
  std::string bytes;
  for (size_t pos = 0; pos < token.size();) {
    const CodePoint point = decode_code_point(token, pos);
    const auto byte = point.well_formed ? spelled_byte(point.value) : std::nullopt;
    if (!byte) return std::string(token);
    bytes.push_back(static_cast<char>(*byte));
    pos += point.num_bytes;
  }
  return bytes;
}

}  // namespace shoal::text
