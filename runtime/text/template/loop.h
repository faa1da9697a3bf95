// The state behind `loop` inside a for statement: the items, pulled one at a time so that a
// filter of the loop (`for x in xs if ...`) sees what earlier turns changed, as in Jinja.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/template/budget.h"
#include "runtime/text/template/value.h"

namespace shoal::text::jinja {

class Loop {
 public:
  using Accept = std::function<bool(const Value&)>;

  // `accept` may be empty: every item is taken.
  Loop(std::vector<Value> items, Accept accept);

  // The next item becomes the current one; false after the last.
  bool advance();
  const Value& current() const { return *current_; }

  // Items and filter are let go: a loop variable kept in a namespace outlives its loop.
  void close();

  // index, first, previtem, ...; an undefined value for another name.
  Value attribute(std::string_view name);
  // loop.changed(...)
  bool changed(std::vector<Value> values, Budget& budget);
  int64_t index0() const { return index0_; }

 private:
  std::optional<Value> pull();
  const std::optional<Value>& peek();
  int64_t length();

  std::vector<Value> items_;
  size_t next_ = 0;
  Accept accept_;
  int64_t index0_ = -1;
  std::optional<int64_t> length_;
  std::optional<Value> before_, current_, after_;
  bool peeked_ = false;
  std::optional<std::vector<Value>> last_changed_;
};

}  // namespace shoal::text::jinja
