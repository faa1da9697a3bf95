#include <fmt/format.h>

#include <cmath>

#include "runtime/coordinator/request_from_proto.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::coordinator {
namespace {

using Json = nlohmann::ordered_json;

Failure bad_field(const std::string& field, const std::string& description) {
  return invalid_argument({{field, description}});
}

Json to_json(const google::protobuf::Value& value);

Json to_json(const google::protobuf::Struct& object) {
  Json json = Json::object();
  for (const auto& [name, value] : object.fields()) json[name] = to_json(value);
  return json;
}

// A Struct knows doubles only; templates print 3, not 3.0.
Json number(double value) {
  constexpr double kExact = 9007199254740992.0;
  if (std::trunc(value) == value && std::abs(value) <= kExact) return static_cast<int64_t>(value);
  return value;
}

Json to_json(const google::protobuf::Value& value) {
  switch (value.kind_case()) {
    case google::protobuf::Value::kNumberValue:
      return number(value.number_value());
    case google::protobuf::Value::kStringValue:
      return value.string_value();
    case google::protobuf::Value::kBoolValue:
      return value.bool_value();
    case google::protobuf::Value::kStructValue:
      return to_json(value.struct_value());
    case google::protobuf::Value::kListValue: {
      Json list = Json::array();
      for (const auto& element : value.list_value().values()) list.push_back(to_json(element));
      return list;
    }
    default:
      return nullptr;
  }
}

std::variant<Json, Failure> content_from_parts(const v1::Message& message,
                                               const std::string& field) {
  Json parts = Json::array();
  for (int i = 0; i < message.parts_size(); ++i) {
    const auto& part = message.parts(i);
    const std::string where = fmt::format("{}.parts[{}]", field, i);
    switch (part.part_case()) {
      case v1::ContentPart::kText:
        parts.push_back({{"type", "text"}, {"text", part.text()}});
        break;
      case v1::ContentPart::kImageUrl:
      case v1::ContentPart::kVideoUrl:
        return modality_unsupported(where);
      default:
        return bad_field(where, "the part is empty");
    }
  }
  return parts;
}

std::variant<Json, Failure> message_to_json(const v1::Message& message, const std::string& field) {
  if (message.role().empty()) return bad_field(field + ".role", "the role is empty");
  if (!message.content().empty() && message.parts_size() > 0) {
    return bad_field(field + ".parts", "either content or parts");
  }
  Json json = {{"role", message.role()}};
  if (message.parts_size() > 0) {
    auto content = content_from_parts(message, field);
    if (auto* failure = std::get_if<Failure>(&content)) return *failure;
    json["content"] = std::get<Json>(std::move(content));
  } else {
    json["content"] = message.content();
  }
  if (!message.reasoning_content().empty()) json["reasoning_content"] = message.reasoning_content();
  if (!message.tool_call_id().empty()) json["tool_call_id"] = message.tool_call_id();
  if (!message.name().empty()) json["name"] = message.name();
  if (!message.tool_calls_json().empty()) {
    Json calls = Json::parse(message.tool_calls_json(), nullptr, false);
    if (!normalize_tool_calls(calls)) {
      return bad_field(field + ".tool_calls_json", "not a JSON list of calls");
    }
    json["tool_calls"] = std::move(calls);
  }
  return json;
}

}  // namespace

std::variant<Json, Failure> variables_from_proto(const v1::Chat& chat, const std::string& field) {
  if (chat.messages_size() == 0) return bad_field(field + ".messages", "there is no message");
  Json variables = to_json(chat.template_kwargs());
  variables["messages"] = Json::array();
  for (int i = 0; i < chat.messages_size(); ++i) {
    auto message = message_to_json(chat.messages(i), fmt::format("{}.messages[{}]", field, i));
    if (auto* failure = std::get_if<Failure>(&message)) return *failure;
    variables["messages"].push_back(std::get<Json>(std::move(message)));
  }
  if (!chat.tools_json().empty()) {
    Json tools = Json::parse(chat.tools_json(), nullptr, false);
    if (!tools.is_array()) return bad_field(field + ".tools_json", "not a JSON list");
    variables["tools"] = std::move(tools);
  }
  if (chat.has_enable_thinking()) variables["enable_thinking"] = chat.enable_thinking();
  variables["add_generation_prompt"] =
      !chat.has_add_generation_prompt() || chat.add_generation_prompt();
  return variables;
}

}  // namespace shoal::coordinator
