// One JSON Schema document on its way to a grammar. Used once, by gbnf_from_json_schema. Every
// method throws RefusedGrammar that names keyword and place.
#pragma once
#include <deque>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/grammar/json_numbers.h"
#include "runtime/text/grammar/json_rules.h"

namespace shoal::grammar {

class SchemaConverter {
 public:
  using Json = nlohmann::ordered_json;

  explicit SchemaConverter(const Json& document) : document_(document) {}
  std::string convert();

 private:
  // A schema and where it stands: "#/properties/name".
  struct Schema {
    const Json& json;
    std::string path;
    int depth;

    bool has(const char* key) const { return json.contains(key); }
    const Json& at(const char* key) const { return json.at(key); }
    Schema child(const Json& inside, const std::string& where) const {
      return {inside, path + "/" + where, depth + 1};
    }
  };

  struct Property {
    std::string name;
    std::string value;  // expression
    bool required = false;
  };

  // Each gives an expression.
  std::string any_schema(const Schema& schema);
  std::string reference(const Schema& schema);
  std::string alternatives(const Schema& schema, const char* keyword);
  std::string constants(const Schema& schema, const Json& values);
  std::string of_type(const Schema& schema, const std::string& type);
  std::string string_schema(const Schema& schema);
  std::string number_schema(const Schema& schema, bool whole);
  std::string array_schema(const Schema& schema);
  std::string object_schema(const Schema& schema);

  std::vector<Property> properties(const Schema& schema, const std::string& additional);
  // The value of a property that the schema does not name; empty: there are none.
  std::string additional_value(const Schema& schema);
  std::string members(const std::vector<Property>& properties, const std::string& additional);
  std::string key_unlike(const std::vector<Property>& properties);

  NumberBounds bounds(const Schema& schema) const;
  int count_of(const Schema& schema, const char* keyword, int otherwise) const;
  const Json& resolve(const std::string& reference, const std::string& path) const;
  const Json& followed(const Json& schema, const std::string& path) const;
  bool told_apart(const Json& a, const Json& b, const std::string& path) const;
  void allow_only(const Schema& schema, std::initializer_list<const char*> keywords) const;
  std::vector<std::string> types_of(const Schema& schema) const;

  [[noreturn]] static void refuse(const std::string& path, const std::string& what);

  const Json& document_;
  JsonRules rules_;
  std::map<std::string, std::string> references_;  // to the names of their rules
  std::deque<std::string> to_convert_;             // references whose rules have no body yet
};

}  // namespace shoal::grammar
