// What each type of a JSON Schema comes to.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "runtime/base/printable.h"
#include "runtime/text/grammar/char_set.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/grammar/refusal.h"
#include "runtime/text/grammar/regex.h"
#include "runtime/text/grammar/schema_converter.h"
#include "runtime/text/utf8.h"

namespace shoal::grammar {
namespace {

using Json = SchemaConverter::Json;

constexpr int64_t kMaxBound = 999'999'999'999'999;  // 15 digits

#define DATE R"(\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))"
#define TIME R"(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+\-]([01]\d|2[0-3]):[0-5]\d))"
#define LABEL R"([A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?)"
#define URI_CHAR R"([A-Za-z0-9._~!$&'()*+,;=:@\-]|%[0-9A-Fa-f]{2})"

struct Format {
  std::string_view name;
  const char* pattern;
};
constexpr Format kFormats[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "T" TIME "$"},
    {"duration",
     R"(^P(\d{1,9}W|(\d{1,9}D|\d{1,9}M(\d{1,9}D)?|\d{1,9}Y(\d{1,9}M(\d{1,9}D)?)?))"
     R"((T(\d{1,9}H(\d{1,9}M(\d{1,9}S)?)?|\d{1,9}M(\d{1,9}S)?|\d{1,9}S))?)"
     R"(|T(\d{1,9}H(\d{1,9}M(\d{1,9}S)?)?|\d{1,9}M(\d{1,9}S)?|\d{1,9}S))$)"},
    {"uuid", "^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"},
    {"ipv4", R"(^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$)"},
    {"hostname", "^" LABEL R"((\.)" LABEL "){0,7}$"},
    {"email",
     R"(^[A-Za-z0-9_%+\-]{1,32}(\.[A-Za-z0-9_%+\-]{1,15})?@)" LABEL R"((\.)" LABEL "){1,3}$"},
    {"uri",
     R"(^[A-Za-z][A-Za-z0-9+.\-]{0,15}://)" LABEL R"((\.)" LABEL R"(){0,7}(:[1-9]\d{0,3})?)"
     "(/(" URI_CHAR ")*)*(\\?(" URI_CHAR "|/)*)?(#(" URI_CHAR "|/)*)?$"},
};

std::string with_comma(const std::string& space, const std::string& item) {
  return fmt::format(R"({} "," {} {})", space, space, item);
}

}  // namespace

int SchemaConverter::count_of(const Schema& schema, const char* keyword, int otherwise) const {
  if (!schema.has(keyword)) return otherwise;
  const Json& count = schema.at(keyword);
  if (!count.is_number_integer() || count.get<int64_t>() < 0 || count.get<int64_t>() > kMaxRepeat)
    refuse(schema.path, fmt::format("'{}' is not a whole number of 0 to {}", keyword, kMaxRepeat));
  return count.get<int>();
}

std::string SchemaConverter::string_schema(const Schema& schema) {
  const bool counted = schema.has("minLength") || schema.has("maxLength");
  for (const char* keyword : {"pattern", "format"}) {
    if (!schema.has(keyword)) continue;
    if (!schema.at(keyword).is_string())
      refuse(schema.path, fmt::format("'{}' is not a string", keyword));
    if (counted)
      refuse(schema.path,
             fmt::format("'{}' beside minLength or maxLength is not supported", keyword));
  }
  std::string pattern;
  if (schema.has("pattern")) {
    if (schema.has("format")) refuse(schema.path, "'pattern' beside 'format' is not supported");
    pattern = schema.at("pattern").get<std::string>();
  } else if (schema.has("format")) {
    const std::string name = schema.at("format").get<std::string>();
    const auto format = std::ranges::find(kFormats, name, &Format::name);
    if (format == std::end(kFormats))
      refuse(schema.path, fmt::format("format '{}' is not supported", printable(name)));
    pattern = format->pattern;
  } else {
    if (!counted) return rules_.string();
    const int min = count_of(schema, "minLength", 0);
    const int max = count_of(schema, "maxLength", -1);
    if (max >= 0 && max < min) refuse(schema.path, "maxLength is below minLength");
    return fmt::format(
        R"("\"" {}{{{},{}}} "\"")", rules_.character(), min, max < 0 ? "" : std::to_string(max));
  }
  try {
    return rules_.add("text", fmt::format(R"("\"" {} "\"")", json_string_matching(pattern)));
  } catch (const RefusedGrammar& refused) {
    refuse(schema.path, fmt::format("'pattern': {}", refused.what()));
  }
}

NumberBounds SchemaConverter::bounds(const Schema& schema) const {
  NumberBounds out;
  const auto read = [&](const char* keyword) -> std::optional<int64_t> {
    if (!schema.has(keyword)) return std::nullopt;
    const Json& bound = schema.at(keyword);
    if (!bound.is_number()) refuse(schema.path, fmt::format("'{}' is not a number", keyword));
    const auto number = bound.get<double>();
    const bool usual = number >= -1.0 * kMaxBound && number <= 1.0 * kMaxBound;
    if (!usual || static_cast<double>(static_cast<int64_t>(number)) != number)
      refuse(schema.path,
             fmt::format("'{}' that is not a whole number of up to 15 digits is not supported",
                         keyword));
    return static_cast<int64_t>(number);
  };
  const auto both = [&](const char* a, const char* b) {
    if (schema.has(a) && schema.has(b))
      refuse(schema.path, fmt::format("'{}' beside '{}' is not supported", a, b));
  };
  both("minimum", "exclusiveMinimum");
  both("maximum", "exclusiveMaximum");
  out.min_excluded = schema.has("exclusiveMinimum");
  out.max_excluded = schema.has("exclusiveMaximum");
  out.min = read(out.min_excluded ? "exclusiveMinimum" : "minimum");
  out.max = read(out.max_excluded ? "exclusiveMaximum" : "maximum");
  return out;
}

std::string SchemaConverter::number_schema(const Schema& schema, bool whole) {
  const NumberBounds range = bounds(schema);
  if (!range.min && !range.max) return whole ? rules_.integer() : rules_.number();
  const std::string body = whole ? integers_between(range) : numbers_between(range);
  if (body.empty()) refuse(schema.path, "no number lies between the bounds");
  return rules_.add(whole ? "integer" : "number", body);
}

std::string SchemaConverter::array_schema(const Schema& schema) {
  const int min = count_of(schema, "minItems", 0);
  const int max = count_of(schema, "maxItems", -1);
  if (max >= 0 && max < min) refuse(schema.path, "maxItems is below minItems");
  if (!schema.has("items") && !schema.has("prefixItems") && min == 0 && max < 0)
    return rules_.any_array();

  std::vector<std::string> first;
  if (schema.has("prefixItems")) {
    if (!schema.at("prefixItems").is_array()) refuse(schema.path, "'prefixItems' is not a list");
    for (const Json& item : schema.at("prefixItems"))
      first.push_back(rules_.add(
          "item", any_schema(schema.child(item, fmt::format("prefixItems/{}", first.size())))));
  }
  const auto num_first = static_cast<int>(first.size());
  std::string rest;  // empty: none may follow
  if (schema.has("items") && schema.at("items").is_array())
    refuse(schema.path, "'items' as a list is not supported; prefixItems says the same");
  const bool no_more =
      schema.has("items") && schema.at("items").is_boolean() && !schema.at("items").get<bool>();
  if (!no_more && (max < 0 || max > num_first))
    rest = rules_.add("item",
                      schema.has("items") ? any_schema(schema.child(schema.at("items"), "items"))
                                          : rules_.any_value());
  if (rest.empty() && min > num_first)
    refuse(schema.path, fmt::format("minItems {} can not be reached", min));

  // From the back: after i items, what may still come.
  const std::string space = rules_.space();
  std::string tail;
  if (!rest.empty())
    tail = fmt::format("({}){{{},{}}}",
                       with_comma(space, rest),
                       std::max(0, min - std::max(1, num_first)),
                       max < 0 ? "" : std::to_string(max - std::max(1, num_first)));
  for (int i = num_first - 1; i >= 1; --i) {
    if (max >= 0 && i >= max) continue;
    const std::string item =
        fmt::format("{} {}", with_comma(space, first[static_cast<size_t>(i)]), tail);
    tail = rules_.add("items", i < min ? item : fmt::format("({})?", item));
  }
  if (max == 0 || (num_first == 0 && rest.empty())) return fmt::format(R"("[" {} "]")", space);
  const std::string head = num_first > 0 ? first.front() : rest;
  const std::string content = fmt::format("({} {} {}){}", head, tail, space, min > 0 ? "" : "?");
  return rules_.add("array", fmt::format(R"("[" {} {} "]")", space, content));
}

std::string SchemaConverter::additional_value(const Schema& schema) {
  if (!schema.has("additionalProperties"))
    return schema.has("properties") ? "" : rules_.any_value();
  const Json& additional = schema.at("additionalProperties");
  if (additional.is_boolean() && !additional.get<bool>()) return "";
  return rules_.add("extra", any_schema(schema.child(additional, "additionalProperties")));
}

std::vector<SchemaConverter::Property> SchemaConverter::properties(const Schema& schema,
                                                                   const std::string& additional) {
  std::vector<std::string> required;
  if (schema.has("required")) {
    if (!schema.at("required").is_array()) refuse(schema.path, "'required' is not a list");
    for (const Json& name : schema.at("required")) {
      if (!name.is_string()) refuse(schema.path, "'required' is not a list of names");
      required.push_back(name.get<std::string>());
    }
  }
  const std::set<std::string> needed(required.begin(), required.end());
  std::vector<Property> out;
  std::set<std::string> named;
  if (schema.has("properties")) {
    if (!schema.at("properties").is_object()) refuse(schema.path, "'properties' is not an object");
    for (const auto& [name, value] : schema.at("properties").items()) {
      out.push_back(
          {name, any_schema(schema.child(value, "properties/" + name)), needed.contains(name)});
      named.insert(name);
    }
  }
  for (const std::string& name : required) {
    if (!named.insert(name).second) continue;
    if (additional.empty())
      refuse(schema.path,
             fmt::format("'required' names '{}', which no property describes", printable(name)));
    out.push_back({name, additional, true});
  }
  return out;
}

// Any key but the named ones, in characters that need no escape.
std::string SchemaConverter::key_unlike(const std::vector<Property>& properties) {
  const CharSet plain = CharSet({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}).complement();
  std::set<std::string> names;
  for (const Property& property : properties) names.insert(property.name);
  if (names.empty()) return rules_.string();
  // What may follow a beginning that some names share; of sorted names these are neighbours.
  const auto unlike =
      [&](const auto& self, std::vector<std::string> rests, int depth) -> std::string {
    if (depth > kMaxSourceDepth)
      refuse("#",
             fmt::format("property names with more than {} characters in common beside "
                         "additionalProperties are not supported",
                         kMaxSourceDepth));
    std::map<char32_t, std::vector<std::string>> by_first;
    bool ends_here = false;
    for (const std::string& rest : rests) {
      if (rest.empty()) {
        ends_here = true;
        continue;
      }
      const text::CodePoint first = text::decode_code_point(rest, 0);
      by_first[first.value].push_back(rest.substr(first.num_bytes));
    }
    CharSet others = plain;
    std::string out;
    for (auto& [first, after] : by_first) {
      others = others.without({{first, first}});
      if (!plain.contains(first)) continue;
      // A name alone on its way needs one rule a character, not one bracket.
      const std::string inner = rules_.add("key", self(self, std::move(after), depth + 1));
      out += fmt::format("{} {} | ", to_gbnf({{first, first}}), inner);
    }
    out += fmt::format("{} {}*", to_gbnf(others), to_gbnf(plain));
    return ends_here ? out : out + " | \"\"";
  };
  const std::string key = unlike(unlike, {names.begin(), names.end()}, 0);
  return rules_.add("extra-key", fmt::format(R"("\"" ({}) "\"")", key));
}

std::string SchemaConverter::members(const std::vector<Property>& properties,
                                     const std::string& additional) {
  const std::string space = rules_.space();
  const auto member = [&](const std::string& key, const std::string& value) {
    return rules_.add("member", fmt::format(R"({} {} ":" {} {})", key, space, space, value));
  };
  // From the back: what may follow when something stands before, and when nothing does.
  std::string after, alone;
  if (!additional.empty()) {
    const std::string extra = member(key_unlike(properties), additional);
    after = rules_.add("more", fmt::format("({})*", with_comma(space, extra)));
    alone = fmt::format("({} {})?", extra, after);
  }
  for (auto property = properties.rbegin(); property != properties.rend(); ++property) {
    const std::string key =
        to_gbnf_literal(Json(property->name).dump(-1, ' ', false, Json::error_handler_t::replace));
    const std::string item = member(key, property->value);
    const std::string next = fmt::format("{} {}", item, after);
    if (property->required) {
      alone = next;
      after = rules_.add("more", fmt::format("{} {}", with_comma(space, item), after));
    } else {
      alone = rules_.add("some", fmt::format("{} | {}", next, alone.empty() ? "\"\"" : alone));
      after = rules_.add("more", fmt::format("({})? {}", with_comma(space, item), after));
    }
  }
  return alone;
}

std::string SchemaConverter::object_schema(const Schema& schema) {
  if (!schema.has("properties") && !schema.has("required") && !schema.has("additionalProperties"))
    return rules_.any_object();
  const std::string additional = additional_value(schema);
  const std::vector<Property> named = properties(schema, additional);
  const std::string inside = members(named, additional);
  const std::string space = rules_.space();
  if (inside.empty()) return fmt::format(R"("{{" {} "}}")", space);
  return rules_.add("object", fmt::format(R"("{{" {} {} {} "}}")", space, inside, space));
}

}  // namespace shoal::grammar
