#include "runtime/text/template/loop.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/text/template/operators.h"

namespace shoal::text::jinja {

Loop::Loop(std::vector<Value> items, Accept accept)
    : items_(std::move(items)), accept_(std::move(accept)) {
  if (!accept_) length_ = static_cast<int64_t>(items_.size());
}

std::optional<Value> Loop::pull() {
  while (next_ < items_.size()) {
    const Value& item = items_[next_++];
    if (!accept_ || accept_(item)) return item;
  }
  return std::nullopt;
}

const std::optional<Value>& Loop::peek() {
  if (!peeked_) {
    after_ = pull();
    peeked_ = true;
  }
  return after_;
}

bool Loop::advance() {
  std::optional<Value> item = peeked_ ? std::move(after_) : pull();
  peeked_ = false;
  after_.reset();
  if (!item) return false;
  ++index0_;
  before_ = std::move(current_);
  current_ = std::move(item);
  return true;
}

void Loop::close() {
  items_.clear();
  next_ = 0;
  accept_ = nullptr;
}

int64_t Loop::length() {
  if (length_) return *length_;
  std::vector<Value> rest;
  if (const auto& after = peek()) rest.push_back(*after);
  while (auto item = pull()) rest.push_back(std::move(*item));
  length_ = index0_ + 1 + static_cast<int64_t>(rest.size());
  items_ = std::move(rest);
  next_ = 0;
  accept_ = nullptr;
  peeked_ = false;
  after_.reset();
  return *length_;
}

Value Loop::attribute(std::string_view name) {
  if (name == "index0") return Value::integer(index0_);
  if (name == "index") return Value::integer(index0_ + 1);
  if (name == "first") return Value(index0_ == 0);
  if (name == "last") return Value(!peek().has_value());
  if (name == "length") return Value::integer(length());
  if (name == "revindex0") return Value::integer(length() - index0_ - 1);
  if (name == "revindex") return Value::integer(length() - index0_);
  // Only recursive loops are ever deeper, and those are not supported.
  if (name == "depth0") return Value::integer(0);
  if (name == "depth") return Value::integer(1);
  if (name == "previtem") {
    return before_ ? *before_ : Value::undefined("there is no previous item");
  }
  if (name == "nextitem") {
    const auto& after = peek();
    return after ? *after : Value::undefined("there is no next item");
  }
  return Value::undefined(fmt::format("'LoopContext object' has no attribute '{}'", name));
}

bool Loop::changed(std::vector<Value> values, Budget& budget) {
  const bool same =
      last_changed_ && last_changed_->size() == values.size() &&
      std::equal(values.begin(),
                 values.end(),
                 last_changed_->begin(),
                 [&](const Value& a, const Value& b) { return equals(a, b, budget); });
  if (!same) last_changed_ = std::move(values);
  return !same;
}

}  // namespace shoal::text::jinja
