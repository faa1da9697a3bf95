#include "runtime/text/template/split.h"

#include <algorithm>
#include <utility>

#include "runtime/text/template/characters.h"

namespace shoal::text::jinja {
namespace {

struct Range {
  size_t begin, end;
};

std::vector<Value> slices(const MarkedText& text,
                          const std::vector<Range>& ranges,
                          Budget& budget) {
  budget.elements(ranges.size());
  std::vector<Value> out;
  out.reserve(ranges.size());
  for (const Range& range : ranges) out.emplace_back(text.slice(range.begin, range.end));
  return out;
}

// The stretches between white space.
std::vector<Range> words_of(std::string_view text) {
  std::vector<Range> words;
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_code_point(text, i);
    if (is_space(c.value)) {
      inside = false;
    } else {
      if (!inside) words.push_back({i, i});
      words.back().end = i + c.num_bytes;
      inside = true;
    }
    i += c.num_bytes;
  }
  return words;
}

// Where the separator stands, from the left, not overlapping.
std::vector<size_t> places_of(std::string_view text,
                              std::string_view separator,
                              int64_t max_count) {
  std::vector<size_t> places;
  for (size_t at = find_bytes(text, separator); at != std::string_view::npos;
       at = find_bytes(text, separator, at + separator.size())) {
    if (max_count >= 0 && static_cast<int64_t>(places.size()) >= max_count) break;
    places.push_back(at);
  }
  return places;
}

std::vector<Range> ranges_between(const std::vector<size_t>& places, size_t width, size_t size) {
  std::vector<Range> ranges;
  size_t begin = 0;
  for (const size_t at : places) {
    ranges.push_back({begin, at});
    begin = at + width;
  }
  ranges.push_back({begin, size});
  return ranges;
}

}  // namespace

std::vector<Value> split_at(const MarkedText& text,
                            std::string_view separator,
                            int64_t max_splits,
                            Budget& budget) {
  const auto places = places_of(text.view(), separator, max_splits);
  return slices(text, ranges_between(places, separator.size(), text.size()), budget);
}

std::vector<Value> split_at_right(const MarkedText& text,
                                  std::string_view separator,
                                  int64_t max_splits,
                                  Budget& budget) {
  // Searched backwards, since overlapping separators are taken from the right.
  const std::string reversed(text.view().rbegin(), text.view().rend());
  const std::string reversed_separator(separator.rbegin(), separator.rend());
  std::vector<size_t> places = places_of(reversed, reversed_separator, max_splits);
  for (size_t& at : places) at = text.size() - at - separator.size();
  std::reverse(places.begin(), places.end());
  return slices(text, ranges_between(places, separator.size(), text.size()), budget);
}

std::vector<Value> split_at_space(const MarkedText& text, int64_t max_splits, Budget& budget) {
  std::vector<Range> words = words_of(text.view());
  if (max_splits >= 0 && static_cast<int64_t>(words.size()) > max_splits + 1) {
    words.resize(static_cast<size_t>(max_splits) + 1);
    words.back().end = text.size();
  }
  return slices(text, words, budget);
}

std::vector<Value> split_at_space_right(const MarkedText& text,
                                        int64_t max_splits,
                                        Budget& budget) {
  std::vector<Range> words = words_of(text.view());
  if (max_splits >= 0 && static_cast<int64_t>(words.size()) > max_splits + 1) {
    const auto dropped = static_cast<ptrdiff_t>(words.size()) - max_splits - 1;
    words.erase(words.begin(), words.begin() + dropped);
    words.front().begin = 0;
  }
  return slices(text, words, budget);
}

std::vector<Value> split_lines(const MarkedText& text, bool keep_ends, Budget& budget) {
  const std::string_view bytes = text.view();
  std::vector<Range> lines;
  size_t begin = 0;
  for (size_t i = 0; i < bytes.size();) {
    const CodePoint c = decode_code_point(bytes, i);
    const bool ends = (c.value >= 0x0A && c.value <= 0x0D) ||
                      (c.value >= 0x1C && c.value <= 0x1E) || c.value == 0x85 ||
                      c.value == 0x2028 || c.value == 0x2029;
    size_t next = i + c.num_bytes;
    if (ends) {
      if (bytes.substr(i, 2) == "\r\n") ++next;
      lines.push_back({begin, keep_ends ? next : i});
      begin = next;
    }
    i = next;
  }
  if (begin < bytes.size()) lines.push_back({begin, bytes.size()});
  return slices(text, lines, budget);
}

MarkedText replace(const MarkedText& text, const Replacement& replacement, Budget& budget) {
  budget.bytes(text.size());
  MarkedText out;
  if (!replacement.wanted.empty()) {
    const auto places = places_of(text.view(), replacement.wanted, replacement.max_count);
    size_t begin = 0;
    for (const size_t at : places) {
      out.append(text, begin, at);
      out.append(replacement.by);
      begin = at + replacement.wanted.size();
    }
    out.append(text, begin, text.size());
    budget.bytes(out.size());
    return out;
  }
  // Nothing stands before each character and at the end.
  int64_t left = replacement.max_count;
  for (size_t i = 0; i <= text.size();) {
    if (left != 0) {
      out.append(replacement.by);
      --left;
    }
    if (i == text.size()) break;
    const size_t next = i + decode_code_point(text.view(), i).num_bytes;
    out.append(text, i, next);
    i = next;
  }
  budget.bytes(out.size());
  return out;
}

}  // namespace shoal::text::jinja
