#include "runtime/text/grammar/utf8_ranges.h"

#include <algorithm>
#include <string>

#include "runtime/text/utf8.h"

namespace shoal::grammar {
namespace {

// Both ends have the same number of bytes.
void split(char32_t first, char32_t last, std::vector<ByteSequence>& out) {
  // Where the ends differ above the last i continuation bytes, those must run through all of their
  // values: cut off what does not begin or end at such a boundary.
  for (int i = 1; i < 4; ++i) {
    const char32_t low_bits = (char32_t{1} << (6 * i)) - 1;
    if ((first & ~low_bits) == (last & ~low_bits)) continue;
    if ((first & low_bits) != 0) {
      split(first, first | low_bits, out);
      split((first | low_bits) + 1, last, out);
      return;
    }
    if ((last & low_bits) != low_bits) {
      split(first, (last & ~low_bits) - 1, out);
      split(last & ~low_bits, last, out);
      return;
    }
  }
  std::string low, high;
  text::append_utf8(low, first);
  text::append_utf8(high, last);
  ByteSequence sequence{.bytes = {}, .size = static_cast<int>(low.size())};
  for (size_t i = 0; i < low.size(); ++i)
    sequence.bytes[i] = {static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i])};
  out.push_back(sequence);
}

}  // namespace

std::vector<ByteSequence> utf8_sequences(const CharRange& range) {
  std::vector<ByteSequence> out;
  char32_t first = range.first;
  for (const char32_t longest :
       {char32_t{0x7F}, char32_t{0x7FF}, char32_t{0xFFFF}, kMaxCodePoint}) {
    if (first > longest || first > range.last) continue;
    const char32_t last = std::min(range.last, longest);
    split(first, last, out);
    first = last + 1;
  }
  return out;
}

}  // namespace shoal::grammar
