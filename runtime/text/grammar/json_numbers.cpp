#include "runtime/text/grammar/json_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace shoal::grammar {
namespace {

constexpr int kMaxDigits = 16;
constexpr int64_t kLargest = 9'999'999'999'999'999;  // 16 digits

std::string joined(const std::string& a, const std::string& b) {
  return a.empty() ? b : b.empty() ? a : a + " | " + b;
}

std::string digit_between(char first, char last) {
  return first == last ? fmt::format("\"{}\"", first) : fmt::format("[{}-{}]", first, last);
}

std::string any_digits(size_t count) {
  return count == 0 ? "" : count == 1 ? " [0-9]" : fmt::format(" [0-9]{{{}}}", count);
}

// Digit strings of equal length, as numbers: low to high.
std::string same_length(const std::string& low, const std::string& high) {
  if (low.empty()) return "\"\"";
  const std::string low_rest = low.substr(1), high_rest = high.substr(1);
  const bool from_zero = low_rest.find_first_not_of('0') == std::string::npos;
  const bool to_nine = high_rest.find_first_not_of('9') == std::string::npos;
  if (low[0] == high[0]) {
    if (from_zero && to_nine) return digit_between(low[0], low[0]) + any_digits(low_rest.size());
    return fmt::format("{} ({})", digit_between(low[0], low[0]), same_length(low_rest, high_rest));
  }
  std::string out;
  char first = low[0], last = high[0];
  if (!from_zero) {
    out = fmt::format("{} ({})",
                      digit_between(first, first),
                      same_length(low_rest, std::string(low_rest.size(), '9')));
    ++first;
  }
  std::string top;
  if (!to_nine) {
    top = fmt::format("{} ({})",
                      digit_between(last, last),
                      same_length(std::string(high_rest.size(), '0'), high_rest));
    --last;
  }
  if (first <= last) out = joined(out, digit_between(first, last) + any_digits(low_rest.size()));
  return joined(out, top);
}

// 0 <= low; empty if low > high.
std::string naturals_between(int64_t low, int64_t high) {
  std::string out;
  for (int digits = 1; digits <= kMaxDigits; ++digits) {
    int64_t smallest = digits == 1 ? 0 : 1;
    for (int i = 1; i < digits; ++i) smallest *= 10;
    int64_t largest = 9;
    for (int i = 1; i < digits; ++i) largest = largest * 10 + 9;
    const int64_t from = std::max(low, smallest), to = std::min(high, largest);
    if (from > to) continue;
    out = joined(out, same_length(std::to_string(from), std::to_string(to)));
  }
  return out;
}

std::string negative(const std::string& naturals) {
  return naturals.empty() ? "" : fmt::format("\"-\" ({})", naturals);
}

// Numbers without a sign. The lower bound is there and not negative; "0" is among them unless it is
// excluded.
std::string magnitudes_between(const NumberBounds& bounds) {
  const int64_t low = *bounds.min, high = bounds.max.value_or(kLargest + 1);
  if (high < low || (high == low && (bounds.min_excluded || bounds.max_excluded))) return "";
  const std::string zeros = "(\".\" \"0\"{1,16})?";
  if (high == low) return fmt::format("({}) {}", naturals_between(low, low), zeros);
  std::string out;
  int64_t first = low;
  if (bounds.min_excluded) {
    out = fmt::format("({}) \".\" [0-9]{{0,8}} [1-9] [0-9]{{0,7}}", naturals_between(low, low));
    ++first;
  }
  if (first < high)
    out =
        joined(out, fmt::format("({}) (\".\" [0-9]{{1,16}})?", naturals_between(first, high - 1)));
  if (bounds.max && !bounds.max_excluded)
    out = joined(out, fmt::format("({}) {}", naturals_between(high, high), zeros));
  return out;
}

}  // namespace

std::string integers_between(const NumberBounds& bounds) {
  const int64_t min = bounds.min.value_or(-kLargest) + (bounds.min && bounds.min_excluded ? 1 : 0);
  const int64_t max = bounds.max.value_or(kLargest) - (bounds.max && bounds.max_excluded ? 1 : 0);
  std::string out;
  if (min < 0) out = negative(naturals_between(std::max<int64_t>(1, -max), -min));
  if (max >= 0) out = joined(out, naturals_between(std::max<int64_t>(0, min), max));
  return out;
}

std::string numbers_between(const NumberBounds& bounds) {
  std::string out;
  // Below zero the ends change places. "-0" is zero, and left out.
  if (!bounds.min || *bounds.min < 0) {
    NumberBounds below{.min = 0, .min_excluded = true};
    if (bounds.max && *bounds.max < 0) {
      below.min = -*bounds.max;
      below.min_excluded = bounds.max_excluded;
    }
    if (bounds.min) below.max = -*bounds.min;
    below.max_excluded = bounds.min_excluded;
    out = negative(magnitudes_between(below));
  }
  if (!bounds.max || *bounds.max >= 0) {
    NumberBounds above{.min = 0, .max = bounds.max, .max_excluded = bounds.max_excluded};
    if (bounds.min && *bounds.min >= 0) {
      above.min = bounds.min;
      above.min_excluded = bounds.min_excluded;
    }
    out = joined(out, magnitudes_between(above));
  }
  return out;
}

}  // namespace shoal::grammar
