// JSON Schema as a grammar: every text of the grammar is a JSON value that the schema holds valid
// (not the other way round: properties come in the schema's order, white space is kept short,
// numbers have at most 16 digits on a side of the point, and properties that the schema does not
// name come only where it has additionalProperties).
//
// Read: type (one or a list), enum, const, properties, required, additionalProperties, items,
// prefixItems, minItems, maxItems, minLength, maxLength, pattern, format (date, time, date-time,
// uuid, ipv4, email, hostname, uri, duration), minimum, maximum, exclusiveMinimum,
// exclusiveMaximum (whole bounds), anyOf, oneOf (where one look at types or at a constant property
// tells the branches apart), allOf of one schema, $ref into the document, also recursive.
// Annotations are passed over. Any other keyword is refused by name and place: a schema is followed
// whole or not at all.
#pragma once
#include <string>
#include <string_view>
#include <variant>

#include "runtime/text/grammar/refusal.h"

namespace shoal::grammar {

// A whole grammar. `schema` is JSON text from anywhere.
std::variant<std::string, Refusal> gbnf_from_json_schema(std::string_view schema);

// The grammar of any JSON object.
std::string gbnf_of_json_object();

}  // namespace shoal::grammar
