// What a body demands of its text, under the names that OpenAI's, vLLM's and llama.cpp's clients
// use.
#include "runtime/coordinator/http/api_request.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::http {
namespace {

using coordinator::ConstraintSource;
using Kind = ConstraintSource::Kind;

// One of several texts, word for word.
std::string grammar_of_choices(const Json& choices) {
  std::string grammar = "root ::= ";
  for (size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) grammar += " | ";
    grammar += '"';
    for (const char c : choices[i].get_ref<const std::string&>()) {
      if (c == '"' || c == '\\') grammar += '\\';
      if (c == '\n')
        grammar += "\\n";
      else if (c == '\r')
        grammar += "\\r";
      else
        grammar += c;
    }
    grammar += '"';
  }
  return grammar + "\n";
}

class ConstraintReader {
 public:
  explicit ConstraintReader(JsonFields& fields) : fields_(fields) {}

  void schema(JsonFields& fields, const std::string& name, const std::string& where) {
    const Json* value = fields.find(name);
    if (value == nullptr) return;
    if (value->is_string())
      add({Kind::kJsonSchema, value->get<std::string>(), where});
    else if (value->is_object() || value->is_boolean())
      add({Kind::kJsonSchema, value->dump(), where});
    else
      fields_.violate(where, "not a JSON schema");
  }

  void text(JsonFields& fields, Kind kind, const std::string& name, const std::string& where) {
    const Json* value = fields.find(name);
    if (value == nullptr) return;
    if (value->is_string())
      add({kind, value->get<std::string>(), where});
    else
      fields_.violate(where, "not a string");
  }

  void choice(JsonFields& fields, const std::string& name, const std::string& where) {
    const Json* value = fields.find(name);
    if (value == nullptr) return;
    bool texts = value->is_array() && !value->empty();
    if (texts)
      for (const Json& one : *value) texts = texts && one.is_string();
    if (texts)
      add({Kind::kGrammar, grammar_of_choices(*value), where});
    else
      fields_.violate(where, "not a list of strings");
  }

  void response_format() {
    const Json* format = fields_.find("response_format");
    if (format == nullptr) return;
    const std::string type =
        format->is_object() && format->contains("type") && (*format)["type"].is_string()
            ? (*format)["type"].get<std::string>()
            : "";
    if (type == "text") return;
    if (type == "json_object") {
      add({Kind::kJsonObject, "", "response_format"});
    } else if (type == "json_schema" && format->contains("json_schema") &&
               (*format)["json_schema"].is_object()) {
      JsonFields inner((*format)["json_schema"]);
      if (inner.find("schema") == nullptr)
        fields_.violate("response_format.json_schema.schema", "is needed");
      schema(inner, "schema", "response_format.json_schema.schema");
    } else {
      fields_.violate("response_format",
                      "not {\"type\": \"text\", \"json_object\" or \"json_schema\"}");
    }
  }

  void structured_outputs() {
    const Json* value = fields_.find("structured_outputs");
    if (value == nullptr) return;
    if (!value->is_object()) {
      fields_.violate("structured_outputs", "not an object");
      return;
    }
    JsonFields inner(*value, "structured_outputs.");
    schema(inner, "json", "structured_outputs.json");
    text(inner, Kind::kRegex, "regex", "structured_outputs.regex");
    text(inner, Kind::kGrammar, "grammar", "structured_outputs.grammar");
    choice(inner, "choice", "structured_outputs.choice");
    if (inner.boolean("json_object").value_or(false))
      add({Kind::kJsonObject, "", "structured_outputs.json_object"});
    for (const std::string& name : inner.unknown())
      fields_.refuse(coordinator::unimplemented("structured_outputs." + name, "this"));
  }

  std::optional<ConstraintSource> take() { return std::move(source_); }

 private:
  void add(ConstraintSource source) {
    if (source_)
      fields_.violate(source.field,
                      "one constraint at a time; there is " + source_->field + " too");
    source_ = std::move(source);
  }

  JsonFields& fields_;
  std::optional<ConstraintSource> source_;
};

}  // namespace

std::optional<ConstraintSource> read_constraint(JsonFields& fields) {
  ConstraintReader reader(fields);
  reader.response_format();
  reader.structured_outputs();
  reader.schema(fields, "guided_json", "guided_json");
  reader.schema(fields, "json_schema", "json_schema");
  reader.text(fields, Kind::kRegex, "guided_regex", "guided_regex");
  reader.text(fields, Kind::kGrammar, "guided_grammar", "guided_grammar");
  reader.text(fields, Kind::kGrammar, "grammar", "grammar");
  reader.choice(fields, "guided_choice", "guided_choice");
  return reader.take();
}

}  // namespace shoal::http
