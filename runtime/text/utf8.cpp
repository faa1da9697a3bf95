#include "runtime/text/utf8.h"

#include "runtime/base/check.h"

namespace shoal::text {
namespace {

// What may follow a lead byte: the number of continuation bytes and the range of the first one
// (Unicode 15, table 3-7). The narrow ranges keep out overlong forms, surrogates and > 0x10FFFF.
struct Lead {
  int num_continuations = -1;  // -1: cannot start a character
  unsigned char first_low = 0x80, first_high = 0xBF;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {0};
  if (byte < 0xC2) return {};
  if (byte < 0xE0) return {1};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte < 0xF0) return {2};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte < 0xF4) return {3};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

// Bytes at pos that form a character or the longest possible start of one; 1 for a bad lead.
size_t subpart_bytes(std::string_view text, size_t pos, const Lead& lead) {
  unsigned char low = lead.first_low, high = lead.first_high;
  size_t length = 1;
  for (int i = 0; i < lead.num_continuations && pos + length < text.size(); ++i, ++length) {
    const auto byte = static_cast<unsigned char>(text[pos + length]);
    if (byte < low || byte > high) break;
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

}  // namespace

CodePoint decode_code_point(std::string_view text, size_t pos) {
  const auto first = static_cast<unsigned char>(text[pos]);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = lead_of(first);
  const size_t length = subpart_bytes(text, pos, lead);
  if (lead.num_continuations < 0 || length != static_cast<size_t>(lead.num_continuations) + 1)
    return {kReplacement, length, false};
  char32_t value = first & (0x7F >> length);
  for (size_t i = 1; i < length; ++i)
    value = value << 6 | (static_cast<unsigned char>(text[pos + i]) & 0x3F);
  return {value, length, true};
}

void append_utf8(std::string& out, char32_t value) {
  SHOAL_ASSERT(value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF),
               "code point {:#x}",
               static_cast<uint32_t>(value));
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | value >> 6);
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | value >> 12);
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | value >> 18);
    put(0x80 | (value >> 12 & 0x3F));
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

bool is_well_formed(std::string_view text) {
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint point = decode_code_point(text, pos);
    if (!point.well_formed) return false;
    pos += point.num_bytes;
  }
  return true;
}

std::string sanitize_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint point = decode_code_point(text, pos);
    out.append(point.well_formed ? text.substr(pos, point.num_bytes) : kReplacementUtf8);
    pos += point.num_bytes;
  }
  return out;
}

size_t unfinished_tail_bytes(std::string_view text) {
  for (size_t tail = 1; tail <= 3 && tail <= text.size(); ++tail) {
    const size_t pos = text.size() - tail;
    const Lead lead = lead_of(static_cast<unsigned char>(text[pos]));
    if (lead.num_continuations < 0) continue;  // a continuation byte, or never part of anything
    const bool reaches_end = subpart_bytes(text, pos, lead) == tail;
    return reaches_end && static_cast<size_t>(lead.num_continuations) >= tail ? tail : 0;
  }
  return 0;
}

}  // namespace shoal::text
