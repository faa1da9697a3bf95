// Taking strings apart and replacing in them, as Python's str does. Pieces keep the author of
// each character.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/text/template/budget.h"
#include "runtime/text/template/marked_text.h"
#include "runtime/text/template/value.h"

namespace shoal::text::jinja {

inline constexpr int64_t kNoLimit = -1;

// split(separator, max_splits) from the left or the right; the separator is not empty.
std::vector<Value> split_at(const MarkedText& text,
                            std::string_view separator,
                            int64_t max_splits,
                            Budget& budget);
std::vector<Value> split_at_right(const MarkedText& text,
                                  std::string_view separator,
                                  int64_t max_splits,
                                  Budget& budget);
// split() without a separator: at runs of white space, none at the ends.
std::vector<Value> split_at_space(const MarkedText& text, int64_t max_splits, Budget& budget);
std::vector<Value> split_at_space_right(const MarkedText& text, int64_t max_splits, Budget& budget);
std::vector<Value> split_lines(const MarkedText& text, bool keep_ends, Budget& budget);

struct Replacement {
  std::string_view wanted;
  const MarkedText& by;
  int64_t max_count = kNoLimit;
};
MarkedText replace(const MarkedText& text, const Replacement& replacement, Budget& budget);

}  // namespace shoal::text::jinja
