// What a list filter looks at in each item: the item, or a path of attributes in it
// ("function.name", "0"), folded to lower case when the filter ignores case.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/text/template/callable.h"

namespace shoal::text::jinja {

class ItemKey {
 public:
  enum class Case : uint8_t { kSensitive, kFolded };

  // `attribute` may be null or none: the item itself.
  explicit ItemKey(const Value* attribute, Case case_rule = Case::kSensitive);

  // `otherwise` (may be null) stands in where the path leads nowhere.
  Value of(const Value& item, Budget& budget, const Value* otherwise = nullptr) const;

 private:
  std::vector<Value> path_;
  Case case_;
};

}  // namespace shoal::text::jinja
