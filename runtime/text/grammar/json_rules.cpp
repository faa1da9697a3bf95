#include "runtime/text/grammar/json_rules.h"

#include <fmt/format.h>

namespace shoal::grammar {

std::string JsonRules::reserve(const std::string& name) {
  const int before = taken_[name]++;
  // The double dash keeps numbered names apart from given ones, which have none.
  return before == 0 ? name : fmt::format("{}--{}", name, before + 1);
}

void JsonRules::define(const std::string& name, const std::string& body) {
  rules_.push_back({name, body});
}

std::string JsonRules::add(const std::string& name, const std::string& body) {
  const std::string free = reserve(name);
  define(free, body);
  return free;
}

std::string JsonRules::once(const std::string& name, const std::string& body) {
  if (taken_[name]++ == 0) define(name, body);
  return name;
}

std::string JsonRules::space() { return once("json-space", R"(" "? | "\n" [ \t]{0,20})"); }

std::string JsonRules::character() {
  // A surrogate comes only with its other half.
  return once("json-char",
              R"([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | )"
              R"([dD] [0-7] [0-9a-fA-F]{2} | )"
              R"([dD] [89abAB] [0-9a-fA-F]{2} "\\u" [dD] [c-fC-F] [0-9a-fA-F]{2})))");
}

std::string JsonRules::string() {
  return once("json-string", fmt::format(R"("\"" {}* "\"")", character()));
}

std::string JsonRules::integer() {
  return once("json-integer", R"("-"? ("0" | [1-9] [0-9]{0,15}))");
}

std::string JsonRules::number() {
  return once("json-number",
              fmt::format(R"({} ("." [0-9]{{1,16}})? ([eE] [-+]? [0-9]{{1,2}})?)", integer()));
}

void JsonRules::add_values() {
  if (taken_["json-value"]++ > 0) return;
  const std::string ws = space(), text = string();
  const std::string member = fmt::format(R"({1} {0} ":" {0} json-value)", ws, text);
  define("json-object", fmt::format(R"("{{" {0} ({1} ({0} "," {0} {1})* {0})? "}}")", ws, member));
  define("json-array",
         fmt::format(R"("[" {0} (json-value ({0} "," {0} json-value)* {0})? "]")", ws));
  define("json-value",
         fmt::format(
             R"(json-object | json-array | {} | {} | "true" | "false" | "null")", text, number()));
}

std::string JsonRules::any_object() {
  add_values();
  return "json-object";
}

std::string JsonRules::any_array() {
  add_values();
  return "json-array";
}

std::string JsonRules::any_value() {
  add_values();
  return "json-value";
}

std::string JsonRules::finish(const std::string& root) {
  std::string out = fmt::format("root ::= {}\n", root);
  for (const NamedRule& rule : rules_) out += fmt::format("{} ::= {}\n", rule.name, rule.body);
  return out;
}

}  // namespace shoal::grammar
