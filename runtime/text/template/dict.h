// A mapping in insertion order, keyed as Python keys: 1, 1.0 and true are one key, "1" another.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/text/template/value.h"

namespace shoal::text::jinja {

class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  // Null when absent. Throws Fault on a key that Python cannot hash (a list, a dict).
  const Value* find(const Value& key) const;
  const Value* find(std::string_view name) const;
  // An equal key keeps its place and gets the value.
  void set(Value key, Value value);

  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  int depth() const { return depth_; }

 private:
  size_t position_of(const std::string& spelling) const;  // size() when absent
  const Value* at(size_t position) const;

  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> index_;  // from the key's canonical spelling
  int depth_ = 1;
};

}  // namespace shoal::text::jinja
