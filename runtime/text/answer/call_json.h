// JSON text of tool calls: pieces of arguments that are put together while they come, and whole
// calls that a model wrote as JSON.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace shoal::answer {

// Inside a JSON string, without its quotes. Well-formed UTF-8 in.
std::string escaped(std::string_view text);
std::string quoted(std::string_view text);

// A value as the model wrote it: the same text where it is JSON, Python's True, False and None as
// JSON has them, anything else as a string.
std::string json_or_string(std::string_view value);

struct WholeCall {
  std::string name, arguments;  // arguments: a JSON object
};
// {"name": ..., "arguments": {...}}; empty for any other text.
std::optional<WholeCall> call_from_json(std::string_view text);

}  // namespace shoal::answer
