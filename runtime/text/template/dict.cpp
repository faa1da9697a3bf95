#include "runtime/text/template/dict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/text/template/template_error.h"
#include "runtime/text/template/value_text.h"

namespace shoal::text::jinja {
namespace {

constexpr size_t kScanLimit = 8;  // up to this many entries a scan beats hashing

// One spelling for all keys that Python holds equal; the first letter keeps the kinds apart.
std::string spell(const Value& key) {
  switch (key.kind()) {
    case Kind::kText:
      return "t" + key.as_text().bytes();
    case Kind::kBool:
    case Kind::kInt:
      return "n" + format_int(key.as_whole());
    case Kind::kFloat: {
      const double value = key.as_float();
      const bool whole = std::abs(value) < 9e15 && value == std::trunc(value);
      return whole ? "n" + format_int(static_cast<Int>(value)) : "f" + format_float(value);
    }
    case Kind::kNone:
      return "-";
    case Kind::kUndefined:
      return "?";
    case Kind::kList:
      if (key.as_list().is_tuple) {
        std::string spelling = "(";
        for (const Value& item : key.as_list().items) {
          const std::string part = spell(item);
          spelling += fmt::format("{}:{}", part.size(), part);
        }
        return spelling;
      }
      [[fallthrough]];
    default:
      fail(fmt::format("TypeError: unhashable type: '{}'", key.type_name()));
  }
}

}  // namespace

const Value* Dict::find(std::string_view name) const {
  if (entries_.size() > kScanLimit) return at(position_of("t" + std::string(name)));
  for (const auto& [key, value] : entries_) {
    if (key.is_text() && key.as_text().view() == name) return &value;
  }
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  return key.is_text() ? find(key.as_text().view()) : at(position_of(spell(key)));
}

const Value* Dict::at(size_t position) const {
  return position < entries_.size() ? &entries_[position].second : nullptr;
}

size_t Dict::position_of(const std::string& spelling) const {
  if (entries_.size() > kScanLimit) {
    const auto found = index_.find(spelling);
    return found == index_.end() ? entries_.size() : found->second;
  }
  size_t position = 0;
  while (position < entries_.size() && spell(entries_[position].first) != spelling) ++position;
  return position;
}

void Dict::set(Value key, Value value) {
  depth_ = std::max(depth_, value.depth() + 1);
  std::string spelling = spell(key);
  if (const size_t position = position_of(spelling); position < entries_.size()) {
    entries_[position].second = std::move(value);
    return;
  }
  entries_.emplace_back(std::move(key), std::move(value));
  if (entries_.size() <= kScanLimit) return;
  if (index_.empty()) {
    for (size_t i = 0; i < entries_.size(); ++i) index_[spell(entries_[i].first)] = i;
  } else {
    index_[std::move(spelling)] = entries_.size() - 1;
  }
}

}  // namespace shoal::text::jinja
