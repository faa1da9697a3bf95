// A range of characters as ranges of bytes: [U+0080, U+FFFF] is C2-DF 80-BF, E0 A0-BF 80-BF, ...
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "runtime/text/grammar/char_set.h"

namespace shoal::grammar {

struct ByteRange {
  uint8_t first, last;  // both belong to it
};

// Any byte of each range in turn spells one character; no two sequences share one.
struct ByteSequence {
  std::array<ByteRange, 4> bytes;
  int size = 0;
};

std::vector<ByteSequence> utf8_sequences(const CharRange& range);

}  // namespace shoal::grammar
