// JSON numbers between bounds, as expressions of the grammar notation.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace shoal::grammar {

struct NumberBounds {
  std::optional<int64_t> min, max;
  bool min_excluded = false, max_excluded = false;  // for numbers; integers have whole bounds
};

// Empty where no integer lies between them. Bounds have at most 15 digits.
std::string integers_between(const NumberBounds& bounds);

// Without an exponent, as soon as there is a bound. Empty where no number lies between them.
std::string numbers_between(const NumberBounds& bounds);

}  // namespace shoal::grammar
