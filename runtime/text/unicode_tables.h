// Unicode 15.0.0 as packed tables, written by unicode_tables.py from the Unicode Character
// Database. Read through unicode.h; nothing else should include this.
#pragma once
#include <cstdint>
#include <span>

namespace shoal::text {

// Sorted starts of ranges, each reaching to the next start: start << 3 | CharClass.
std::span<const uint32_t> class_ranges();

// Sorted starts of ranges: start << 9 | needs_care << 8 | canonical combining class, where
// needs_care says that NFC_Quick_Check is No or Maybe.
std::span<const uint32_t> combining_ranges();

// Canonical decompositions of one step (Hangul syllables excluded), sorted by code point.
struct SingletonDecomposition {
  uint32_t code_point, value;
};
struct PairDecomposition {
  uint32_t code_point, first, second;
};
std::span<const SingletonDecomposition> singleton_decompositions();
std::span<const PairDecomposition> pair_decompositions();

// Indices into pair_decompositions() of those that compose again, sorted by (first, second).
std::span<const uint16_t> primary_composites();

}  // namespace shoal::text
