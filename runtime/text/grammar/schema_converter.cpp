#include "runtime/text/grammar/schema_converter.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/printable.h"
#include "runtime/text/grammar/char_set.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/grammar/refusal.h"

namespace shoal::grammar {
namespace {

using Json = SchemaConverter::Json;

// They say something about a value, but never that it is invalid.
constexpr std::string_view kAnnotations[] = {"title",
                                             "description",
                                             "default",
                                             "examples",
                                             "example",
                                             "$schema",
                                             "$id",
                                             "$comment",
                                             "deprecated",
                                             "readOnly",
                                             "writeOnly",
                                             "$defs",
                                             "definitions"};

bool is_annotation(std::string_view key) {
  return std::ranges::find(kAnnotations, key) != std::end(kAnnotations) || key.starts_with("x-");
}

constexpr const char* kObjectKeys[] = {"properties", "required", "additionalProperties"};
constexpr const char* kArrayKeys[] = {"items", "prefixItems", "minItems", "maxItems"};
constexpr const char* kStringKeys[] = {"minLength", "maxLength", "pattern", "format"};
constexpr const char* kNumberKeys[] = {
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};

bool has_any(const Json& schema, std::span<const char* const> keys) {
  return std::ranges::any_of(keys, [&](const char* key) { return schema.contains(key); });
}

std::string type_of(const Json& value) {
  if (value.is_number_integer()) return "integer";
  if (value.is_number()) return "number";
  return value.type_name();  // object, array, string, boolean, null
}

bool fits_type(const Json& value, const std::string& type) {
  return type_of(value) == type || (type == "number" && value.is_number());
}

std::string rule_name(const std::string& reference) {
  std::string name = "ref-";
  for (const char c : reference.substr(reference.find_last_of('/') + 1)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain && name.size() < 40) name += c;
  }
  return name;
}

// The only values that a schema leaves; null if it does not list them.
const Json* listed_values(const Json& schema, Json& one) {
  if (schema.contains("const")) {
    one = Json::array({schema.at("const")});
    return &one;
  }
  return schema.contains("enum") && schema.at("enum").is_array() ? &schema.at("enum") : nullptr;
}

bool share_a_value(const Json& a, const Json& b) {
  return std::ranges::any_of(
      a, [&](const Json& value) { return std::ranges::find(b, value) != b.end(); });
}

}  // namespace

void SchemaConverter::refuse(const std::string& path, const std::string& what) {
  throw RefusedGrammar(fmt::format("schema at {}: {}", printable(path, 120), what));
}

std::string SchemaConverter::convert() {
  const std::string root = any_schema({document_, "#", 0});
  while (!to_convert_.empty()) {
    const std::string next = to_convert_.front();
    to_convert_.pop_front();
    rules_.define(references_.at(next), any_schema({resolve(next, next), next, 0}));
  }
  return rules_.finish(root);
}

void SchemaConverter::allow_only(const Schema& schema,
                                 std::initializer_list<const char*> keywords) const {
  for (const auto& [key, value] : schema.json.items()) {
    if (is_annotation(key)) continue;
    if (std::ranges::find(keywords, key) != keywords.end()) continue;
    const std::string first = *keywords.begin();
    if (std::ranges::find(keywords, std::string("type")) == keywords.end() || first != "type")
      refuse(schema.path, fmt::format("'{}' beside '{}' is not supported", printable(key), first));
    refuse(schema.path, fmt::format("keyword '{}' is not supported", printable(key)));
  }
}

std::string SchemaConverter::any_schema(const Schema& schema) {
  if (schema.depth > kMaxSourceDepth)
    refuse(schema.path, fmt::format("nested deeper than {}", kMaxSourceDepth));
  if (schema.json.is_boolean()) {
    if (!schema.json.get<bool>()) refuse(schema.path, "'false' holds no value valid");
    return rules_.any_value();
  }
  if (!schema.json.is_object()) refuse(schema.path, "a schema is an object, true or false");
  if (schema.has("$ref")) return reference(schema);
  if (schema.has("const")) {
    allow_only(schema, {"const", "type"});
    return constants(schema, Json::array({schema.at("const")}));
  }
  if (schema.has("enum")) {
    allow_only(schema, {"enum", "type"});
    return constants(schema, schema.at("enum"));
  }
  for (const char* keyword : {"anyOf", "oneOf", "allOf"})
    if (schema.has(keyword)) return alternatives(schema, keyword);

  const std::vector<std::string> types = types_of(schema);
  if (types.empty()) {
    allow_only(schema, {"type"});
    return rules_.any_value();
  }
  std::string out;
  for (const std::string& type : types) out += (out.empty() ? "" : " | ") + of_type(schema, type);
  for (const auto& [key, value] : schema.json.items()) {
    if (key == "type" || is_annotation(key)) continue;
    const auto is_key = [&key = key](const char* known) { return key == known; };
    const auto meant_for = [&](std::string_view type, std::span<const char* const> keys) {
      return std::ranges::find(types, type) != types.end() && std::ranges::any_of(keys, is_key);
    };
    if (!meant_for("object", kObjectKeys) && !meant_for("array", kArrayKeys) &&
        !meant_for("string", kStringKeys) && !meant_for("number", kNumberKeys) &&
        !meant_for("integer", kNumberKeys))
      refuse(schema.path, fmt::format("keyword '{}' is not supported", printable(key)));
  }
  return types.size() == 1 ? out : "(" + out + ")";
}

std::vector<std::string> SchemaConverter::types_of(const Schema& schema) const {
  std::vector<std::string> types;
  if (schema.has("type")) {
    const Json& type = schema.at("type");
    const Json list = type.is_array() ? type : Json::array({type});
    if (list.empty()) refuse(schema.path, "'type' lists no type");
    for (const Json& one : list) {
      if (!one.is_string()) refuse(schema.path, "'type' is a name or a list of names");
      types.push_back(one.get<std::string>());
    }
    return types;
  }
  if (has_any(schema.json, kObjectKeys)) types.emplace_back("object");
  if (has_any(schema.json, kArrayKeys)) types.emplace_back("array");
  if (has_any(schema.json, kStringKeys)) types.emplace_back("string");
  if (has_any(schema.json, kNumberKeys)) types.emplace_back("number");
  return types;
}

std::string SchemaConverter::of_type(const Schema& schema, const std::string& type) {
  if (type == "object") return object_schema(schema);
  if (type == "array") return array_schema(schema);
  if (type == "string") return string_schema(schema);
  if (type == "integer" || type == "number") return number_schema(schema, type == "integer");
  if (type == "boolean") return R"(("true" | "false"))";
  if (type == "null") return R"("null")";
  refuse(schema.path, fmt::format("type '{}' is not known", printable(type)));
}

std::string SchemaConverter::reference(const Schema& schema) {
  allow_only(schema, {"$ref"});
  if (!schema.at("$ref").is_string()) refuse(schema.path, "'$ref' is not a string");
  const std::string target = schema.at("$ref").get<std::string>();
  const auto found = references_.find(target);
  if (found != references_.end()) return found->second;
  resolve(target, schema.path);
  const std::string name = rules_.reserve(rule_name(target));
  references_.emplace(target, name);
  to_convert_.push_back(target);
  return name;
}

const Json& SchemaConverter::resolve(const std::string& reference, const std::string& path) const {
  if (!reference.starts_with("#"))
    refuse(path, fmt::format("$ref '{}' leaves the document", printable(reference)));
  try {
    return document_.at(Json::json_pointer(reference.substr(1)));
  } catch (const Json::exception&) {
    refuse(path, fmt::format("$ref '{}' leads nowhere", printable(reference)));
  }
}

std::string SchemaConverter::constants(const Schema& schema, const Json& values) {
  if (!values.is_array()) refuse(schema.path, "'enum' is not a list");
  std::vector<std::string> types;
  if (schema.has("type")) types = types_of(schema);
  std::string out;
  for (const Json& value : values) {
    if (!types.empty() && std::ranges::none_of(types, [&](const std::string& type) {
          return fits_type(value, type);
        }))
      continue;
    const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    out += (out.empty() ? "" : " | ") + to_gbnf_literal(text);
  }
  if (out.empty()) refuse(schema.path, "no listed value has the type asked for");
  return "(" + out + ")";
}

std::string SchemaConverter::alternatives(const Schema& schema, const char* keyword) {
  allow_only(schema, {keyword});
  const Json& branches = schema.at(keyword);
  if (!branches.is_array() || branches.empty())
    refuse(schema.path, fmt::format("'{}' is not a list of schemas", keyword));
  const std::string word = keyword;
  if (word == "allOf" && branches.size() > 1)
    refuse(schema.path, "'allOf' of more than one schema is not supported");
  if (word == "oneOf")
    for (size_t i = 0; i < branches.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (!told_apart(branches[i], branches[j], schema.path))
          refuse(schema.path,
                 fmt::format("'oneOf' whose branches {} and {} may both hold is not supported; "
                             "use anyOf",
                             j,
                             i));
  std::string out;
  for (size_t i = 0; i < branches.size(); ++i)
    out += (i == 0 ? "" : " | ") +
           any_schema(schema.child(branches[i], fmt::format("{}/{}", keyword, i)));
  return "(" + out + ")";
}

const Json& SchemaConverter::followed(const Json& schema, const std::string& path) const {
  const Json* at = &schema;
  for (int hops = 0; hops < kMaxSourceDepth; ++hops) {
    if (!at->is_object() || !at->contains("$ref") || !at->at("$ref").is_string()) return *at;
    at = &resolve(at->at("$ref").get<std::string>(), path);
  }
  return *at;
}

// Whether no value can hold for both, as far as types, listed values and constant properties say.
bool SchemaConverter::told_apart(const Json& first,
                                 const Json& second,
                                 const std::string& path) const {
  const Json &a = followed(first, path), &b = followed(second, path);
  if (!a.is_object() || !b.is_object()) return false;
  Json one_a, one_b;
  const Json *values_a = listed_values(a, one_a), *values_b = listed_values(b, one_b);
  if (values_a != nullptr && values_b != nullptr) return !share_a_value(*values_a, *values_b);
  const auto types = [&](const Json& schema, const Json* values) {
    std::vector<std::string> out;
    if (values != nullptr)
      for (const Json& value : *values) out.push_back(type_of(value));
    else
      out = types_of({schema, path, 0});
    for (std::string& type : out)
      if (type == "integer") type = "number";
    return out;
  };
  const auto types_a = types(a, values_a), types_b = types(b, values_b);
  if (types_a.empty() || types_b.empty()) return false;
  if (std::ranges::find_first_of(types_a, types_b) == types_a.end()) return true;
  if (types_a != std::vector<std::string>{"object"} || types_b != types_a) return false;
  const auto constant = [&](const Json& schema, const std::string& name, Json& one) -> const Json* {
    const bool needed =
        schema.contains("required") && schema.at("required").is_array() &&
        std::ranges::find(schema.at("required"), Json(name)) != schema.at("required").end();
    if (!needed || !schema.contains("properties") || !schema.at("properties").contains(name))
      return nullptr;
    const Json& property = followed(schema.at("properties").at(name), path);
    return property.is_object() ? listed_values(property, one) : nullptr;
  };
  if (!a.contains("properties") || !a.at("properties").is_object()) return false;
  for (const auto& [name, property] : a.at("properties").items()) {
    const Json *in_a = constant(a, name, one_a), *in_b = constant(b, name, one_b);
    if (in_a != nullptr && in_b != nullptr && !share_a_value(*in_a, *in_b)) return true;
  }
  return false;
}

}  // namespace shoal::grammar
