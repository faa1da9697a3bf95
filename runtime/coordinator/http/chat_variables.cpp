#include <fmt/format.h>

#include <algorithm>

#include "runtime/coordinator/chat_prompt.h"
#include "runtime/coordinator/http/api_request.h"

namespace shoal::http {
namespace {

// Text parts stay parts: templates know them. Anything else is named and refused.
bool check_parts(const Json& parts, const std::string& where, JsonFields& fields) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const Json& part = parts[i];
    const std::string place = fmt::format("{}[{}]", where, i);
    const std::string type = part.is_object() && part.contains("type") && part["type"].is_string()
                                 ? part["type"].get<std::string>()
                                 : "";
    if (type == "text" && part.contains("text") && part["text"].is_string()) continue;
    if (type.empty() || type == "text")
      fields.violate(place, "not a part of type text");
    else
      fields.refuse(coordinator::modality_unsupported(place));
    return false;
  }
  return true;
}

bool check_message(Json& message, const std::string& where, JsonFields& fields) {
  if (!message.is_object()) {
    fields.violate(where, "not an object");
    return false;
  }
  if (!message.contains("role") || !message["role"].is_string() ||
      message["role"].get_ref<const std::string&>().empty()) {
    fields.violate(where + ".role", "the role is missing");
    return false;
  }
  // OpenAI's later name for the same thing.
  if (message["role"] == "developer") message["role"] = "system";
  if (message.contains("content")) {
    const Json& content = message["content"];
    if (content.is_array()) {
      if (!check_parts(content, where + ".content", fields)) return false;
    } else if (!content.is_string() && !content.is_null()) {
      fields.violate(where + ".content", "not a string or a list of parts");
      return false;
    }
  }
  if (message.contains("tool_calls")) {
    Json& calls = message["tool_calls"];
    if (calls.is_null()) {
      message.erase("tool_calls");
    } else if (!coordinator::normalize_tool_calls(calls)) {
      fields.violate(where + ".tool_calls", "not a list of calls");
      return false;
    }
  }
  return true;
}

// "auto" and "none" are kept by the prompt alone; the others would need constrained output.
bool wants_tools(JsonFields& fields) {
  const Json* choice = fields.find("tool_choice");
  if (choice == nullptr || *choice == "auto") return true;
  if (*choice == "none") return false;
  fields.refuse_unless("tool_choice", "auto", "a forced tool call");
  return true;
}

}  // namespace

Json chat_variables(JsonFields& fields) {
  Json variables = Json::object();
  for (const char* name : {"chat_template_kwargs", "chat_template_args"}) {
    const Json* more = fields.find(name);
    if (more == nullptr) continue;
    if (more->is_object())
      variables.update(*more);
    else
      fields.violate(name, "not an object");
  }
  if (const auto thinking = fields.boolean("enable_thinking"))
    variables["enable_thinking"] = *thinking;

  const Json* messages = fields.find("messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    fields.violate("messages", "a list of at least one message is needed");
    return variables;
  }
  variables["messages"] = *messages;
  size_t i = 0;
  for (Json& message : variables["messages"])
    if (!check_message(message, fmt::format("messages[{}]", i++), fields)) break;

  const bool use_tools = wants_tools(fields);
  if (const Json* tools = fields.find("tools")) {
    const bool objects =
        tools->is_array() && std::all_of(tools->begin(), tools->end(), [](const Json& tool) {
          return tool.is_object();
        });
    if (!objects) fields.violate("tools", "not a list of objects");
    if (objects && use_tools && !tools->empty()) variables["tools"] = *tools;
  }
  variables["add_generation_prompt"] = fields.boolean("add_generation_prompt").value_or(true);
  return variables;
}

}  // namespace shoal::http
