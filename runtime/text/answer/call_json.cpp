#include "runtime/text/answer/call_json.h"

#include <nlohmann/json.hpp>

namespace shoal::answer {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kMaxDepth = 64;  // printing recurses

bool is_shallow(std::string_view text) {
  int depth = 0;
  for (const char c : text) {
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kMaxDepth) return false;
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

}  // namespace

std::string quoted(std::string_view text) {
  return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string escaped(std::string_view text) {
  const std::string whole = quoted(text);
  return whole.substr(1, whole.size() - 2);
}

std::string json_or_string(std::string_view value) {
  const std::string_view text = trimmed(value);
  if (text == "True") return "true";
  if (text == "False") return "false";
  if (text == "None") return "null";
  if (is_shallow(text) && Json::accept(text)) return std::string(text);
  return quoted(value);
}

std::optional<WholeCall> call_from_json(std::string_view text) {
  if (!is_shallow(text)) return std::nullopt;
  const Json call = Json::parse(text, nullptr, false);
  if (!call.is_object() || !call.contains("name") || !call["name"].is_string()) return std::nullopt;
  const Json arguments = call.value("arguments", Json::object());
  if (!arguments.is_object() || call["name"].get_ref<const std::string&>().empty())
    return std::nullopt;
  return WholeCall{call["name"].get<std::string>(), arguments.dump()};
}

}  // namespace shoal::answer
