#include "runtime/text/grammar/char_set.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::grammar {
namespace {

constexpr char32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

std::string escaped(char32_t value) {
  const auto number = static_cast<uint32_t>(value);
  return number < 0x100 ? fmt::format("\\x{:02X}", number) : fmt::format("\\U{:08X}", number);
}

}  // namespace

CharSet::CharSet(std::initializer_list<CharRange> ranges) {
  for (const CharRange& range : ranges) add(range.first, range.last);
}

CharSet CharSet::any() { return {{0, kMaxCodePoint}}; }

void CharSet::add(char32_t first, char32_t last) {
  if (first > last) return;
  if (first <= kLastSurrogate && last >= kFirstSurrogate) {
    if (first < kFirstSurrogate) add(first, kFirstSurrogate - 1);
    if (last > kLastSurrogate) add(kLastSurrogate + 1, last);
    return;
  }
  // Everything that touches the new range is swallowed by it.
  const auto begin = std::ranges::find_if(
      ranges_, [first](const CharRange& range) { return range.last + 1 >= first; });
  auto end = begin;
  for (; end != ranges_.end() && end->first <= last + 1; ++end) {
    first = std::min(first, end->first);
    last = std::max(last, end->last);
  }
  ranges_.insert(ranges_.erase(begin, end), {first, last});
}

void CharSet::add(const CharSet& other) {
  for (const CharRange& range : other.ranges_) add(range.first, range.last);
}

CharSet CharSet::complement() const {
  CharSet out;
  char32_t next = 0;
  for (const CharRange& range : ranges_) {
    if (range.first > next) out.add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kMaxCodePoint) out.add(next, kMaxCodePoint);
  return out;
}

CharSet CharSet::without(const CharSet& other) const {
  CharSet kept = complement();
  kept.add(other);
  return kept.complement();
}

bool CharSet::contains(char32_t value) const {
  return std::ranges::any_of(ranges_, [value](const CharRange& range) {
    return range.first <= value && value <= range.last;
  });
}

std::string to_gbnf(const CharSet& set) {
  std::string out = "[";
  for (const CharRange& range : set.ranges()) {
    out += escaped(range.first);
    if (range.last != range.first) out += "-" + escaped(range.last);
  }
  return out + "]";
}

std::string to_gbnf_literal(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += std::string("\\") + c;
    else if (byte < 0x20 || byte == 0x7F)
      out += escaped(byte);
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace shoal::grammar
