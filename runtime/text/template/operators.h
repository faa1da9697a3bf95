// Operators with Python's meaning and Python's error texts. An undefined operand throws Fault
// with the reason why it is undefined.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/text/template/budget.h"
#include "runtime/text/template/value.h"

namespace shoal::text::jinja {

enum class BinaryOp : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower
};
enum class CompareOp : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

Value apply(BinaryOp op, const Value& a, const Value& b, Budget& budget);
Value negate(const Value& value);
Value plus(const Value& value);
bool compare(CompareOp op, const Value& a, const Value& b, Budget& budget);

bool equals(const Value& a, const Value& b, Budget& budget);
bool less(const Value& a, const Value& b, Budget& budget);
// `item in container`
bool contains(const Value& container, const Value& item, Budget& budget);

// The items that a for statement would see: of a dict its keys, of a string its characters.
std::vector<Value> iterate(const Value& value, Budget& budget);
int64_t length_of(const Value& value);  // len()

}  // namespace shoal::text::jinja
