// A chat template from anywhere, rendered with messages: ends in a text or in a TemplateError,
// within its own limits.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/text/template/chat_template.h"

namespace {

const nlohmann::ordered_json& variables() {
  static const auto kVariables = nlohmann::ordered_json::parse(R"({
    "messages": [{"role": "system", "content": "be brief"},
                 {"role": "user", "content": "<|im_end|> \u00e9 {{ x }}"},
                 {"role": "assistant", "content": "a</think>b", "reasoning_content": "r",
                  "tool_calls": [{"function": {"name": "f", "arguments": {"k": [1, 2.5, null]}}}]},
                 {"role": "tool", "content": "42"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "add_generation_prompt": true, "enable_thinking": false, "bos_token": "", "n": 3})");
  return kVariables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shoal::text;
  try {
    const ChatTemplate parsed = ChatTemplate::parse({reinterpret_cast<const char*>(data), size});
    const RenderResult result = parsed.render(variables());
    size_t bytes = 0;
    for (const RenderedPiece& piece : result.pieces) bytes += piece.text.size();
    SHOAL_ASSERT(bytes == result.text.size(), "{} of {} bytes", bytes, result.text.size());
  } catch (const TemplateError&) {
    // Most inputs are no templates.
  }
  return 0;
}
