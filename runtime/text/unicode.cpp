#include "runtime/text/unicode.h"

#include <algorithm>
#include <array>
#include <span>

#include "runtime/text/unicode_tables.h"

namespace shoal::text {
namespace {

// The value packed into the low bits of the range that holds code_point.
uint32_t range_value(std::span<const uint32_t> ranges, int value_bits, char32_t code_point) {
  const uint64_t key = (static_cast<uint64_t>(code_point) + 1) << value_bits;
  const auto after = std::lower_bound(ranges.begin(), ranges.end(), key);
  return *(after - 1) & ((1u << value_bits) - 1);
}

}  // namespace

CharClass char_class(char32_t code_point) {
  static const std::array<CharClass, 128> ascii = [] {
    std::array<CharClass, 128> classes{};
    for (char32_t c = 0; c < 128; ++c)
      classes[c] = static_cast<CharClass>(range_value(class_ranges(), 3, c));
    return classes;
  }();
  if (code_point < ascii.size()) return ascii[code_point];
  return static_cast<CharClass>(range_value(class_ranges(), 3, code_point));
}

NormalProperties normal_properties(char32_t code_point) {
  constexpr char32_t kFirstMark = 0x300;  // everything below is a starter that NFC leaves alone
  if (code_point < kFirstMark) return {0, false};
  const uint32_t value = range_value(combining_ranges(), 9, code_point);
  return {static_cast<uint8_t>(value & 0xFF), (value >> 8) != 0};
}

std::optional<std::pair<char32_t, char32_t>> decompose_once(char32_t code_point) {
  const auto pairs = pair_decompositions();
  const auto pair = std::ranges::lower_bound(pairs, code_point, {}, &PairDecomposition::code_point);
  if (pair != pairs.end() && pair->code_point == code_point)
    return std::pair<char32_t, char32_t>{pair->first, pair->second};
  const auto singles = singleton_decompositions();
  const auto single =
      std::ranges::lower_bound(singles, code_point, {}, &SingletonDecomposition::code_point);
  if (single != singles.end() && single->code_point == code_point)
    return std::pair<char32_t, char32_t>{single->value, 0};
  return {};
}

std::optional<char32_t> compose_pair(char32_t first, char32_t second) {
  const auto pairs = pair_decompositions();
  const auto halves = [pairs](uint16_t i) { return std::pair(pairs[i].first, pairs[i].second); };
  const std::pair<uint32_t, uint32_t> wanted(first, second);
  const auto found = std::ranges::lower_bound(primary_composites(), wanted, {}, halves);
  if (found == primary_composites().end() || halves(*found) != wanted) return {};
  return pairs[*found].code_point;
}

}  // namespace shoal::text
