#include "runtime/text/template/item_key.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "runtime/text/template/access.h"
#include "runtime/text/template/text_case.h"

namespace shoal::text::jinja {

ItemKey::ItemKey(const Value* attribute, Case case_rule) : case_(case_rule) {
  if (!attribute || attribute->is_none()) return;
  if (!attribute->is_text()) {
    path_.push_back(*attribute);
    return;
  }
  std::string_view rest = attribute->as_text().view();
  while (true) {
    const size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    int64_t index = 0;
    const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index =
        !part.empty() && stop == part.data() + part.size() && error == std::errc();
    path_.push_back(is_index ? Value::integer(index) : Value::text(std::string(part), true));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
}

Value ItemKey::of(const Value& item, Budget& budget, const Value* otherwise) const {
  Value found = item;
  for (const Value& part : path_) {
    found = get_item(found, part, budget);
    if (otherwise && found.is_undefined()) found = *otherwise;
  }
  if (case_ == Case::kFolded && found.is_text()) return lower_case(found.as_text());
  return found;
}

}  // namespace shoal::text::jinja
