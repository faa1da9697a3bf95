// Sets of Unicode scalar values (no surrogates), as sorted ranges that neither touch nor overlap.
// A value type.
#pragma once
#include <string>
#include <vector>

namespace shoal::grammar {

inline constexpr char32_t kMaxCodePoint = 0x10FFFF;

struct CharRange {
  char32_t first, last;  // both belong to it
  bool operator==(const CharRange&) const = default;
};

class CharSet {
 public:
  CharSet() = default;
  CharSet(std::initializer_list<CharRange> ranges);
  static CharSet any();

  void add(char32_t first, char32_t last);
  void add(const CharSet& other);
  CharSet complement() const;
  CharSet without(const CharSet& other) const;

  bool contains(char32_t value) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<CharRange>& ranges() const { return ranges_; }

 private:
  std::vector<CharRange> ranges_;
};

// As the grammar notation writes it: [\x61-\x7A].
std::string to_gbnf(const CharSet& set);
// A literal in the grammar notation, quotes included. `text` must be well-formed UTF-8.
std::string to_gbnf_literal(const std::string& text);

}  // namespace shoal::grammar
