#include "runtime/text/answer/answer_parser.h"

namespace shoal::answer {
namespace {

using Json = nlohmann::ordered_json;

const Json* member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

// A schema that allows strings takes the value as it is written; one that says nothing too.
ValueForm form_of(const Json& schema) {
  const Json* type = member(schema, "type");
  if (type == nullptr) {
    return member(schema, "anyOf") || member(schema, "oneOf") || member(schema, "$ref")
               ? ValueForm::kJson
               : ValueForm::kString;
  }
  const auto is_text = [](const Json& name) { return name == "string" || name == "enum"; };
  if (!type->is_array()) return is_text(*type) ? ValueForm::kString : ValueForm::kJson;
  for (const Json& one : *type)
    if (is_text(one)) return ValueForm::kString;
  return ValueForm::kJson;
}

}  // namespace

ToolForms forms_of(const Json& tools) {
  ToolForms forms;
  if (!tools.is_array()) return forms;
  for (const Json& tool : tools) {
    const Json* wrapped = member(tool, "function");
    const Json& function = wrapped != nullptr ? *wrapped : tool;
    const Json* name = member(function, "name");
    if (name == nullptr || !name->is_string()) continue;
    auto& parameters = forms[name->get<std::string>()];
    const Json* schema = member(function, "parameters");
    const Json* properties = schema != nullptr ? member(*schema, "properties") : nullptr;
    if (properties == nullptr || !properties->is_object()) continue;
    for (const auto& [key, value] : properties->items()) parameters[key] = form_of(value);
  }
  return forms;
}

}  // namespace shoal::answer
