#include "runtime/text/grammar/json_schema.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runtime/text/grammar/json_rules.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/grammar/schema_converter.h"

namespace shoal::grammar {

std::variant<std::string, Refusal> gbnf_from_json_schema(std::string_view schema) {
  if (schema.size() > kMaxSourceBytes)
    return Refusal{
        fmt::format("the schema has {} bytes, at most {}", schema.size(), kMaxSourceBytes)};
  bool too_deep = false;
  using Json = SchemaConverter::Json;
  const auto watch_depth = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > 4 * kMaxSourceDepth;
    return true;
  };
  const Json document = Json::parse(schema, watch_depth, false);
  if (document.is_discarded()) return Refusal{"the schema is not JSON"};
  if (too_deep)
    return Refusal{fmt::format("the schema is nested deeper than {}", 4 * kMaxSourceDepth)};
  try {
    return SchemaConverter(document).convert();
  } catch (const RefusedGrammar& refused) {
    return Refusal{refused.what()};
  }
}

std::string gbnf_of_json_object() {
  JsonRules rules;
  return rules.finish(rules.any_object());
}

}  // namespace shoal::grammar
