#include "runtime/coordinator/chat_prompt.h"

#include "runtime/base/error.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::coordinator {
namespace {

Failure refused_by_template(const std::string& message) {
  Failure failure = invalid_argument({{"chat", message}});
  failure.reason = "TEMPLATE_REFUSED";
  failure.message = message;
  return failure;
}

}  // namespace

std::variant<RenderedPrompt, Failure> render_prompt(const ServedModel& model,
                                                    const nlohmann::ordered_json& variables) {
  if (!model.chat_template) {
    return unimplemented("chat", "chat for a model file without a chat template");
  }
  text::RenderResult rendered;
  try {
    rendered = model.chat_template->render(variables);
  } catch (const Error& refusal) {
    return refused_by_template(refusal.what());
  }
  RenderedPrompt prompt{std::move(rendered.text), model.tokenizer->encode(rendered.pieces)};
  return prompt;
}

bool normalize_tool_calls(nlohmann::ordered_json& tool_calls) {
  if (!tool_calls.is_array()) return false;
  for (auto& call : tool_calls) {
    if (!call.is_object()) return false;
    auto& function = call.contains("function") ? call["function"] : call;
    if (!function.is_object()) return false;
    const auto arguments = function.find("arguments");
    if (arguments == function.end() || !arguments->is_string()) continue;
    auto parsed =
        nlohmann::ordered_json::parse(arguments->get_ref<const std::string&>(), nullptr, false);
    if (parsed.is_object()) *arguments = std::move(parsed);
  }
  return true;
}

Failure modality_unsupported(const std::string& field) {
  Failure failure = invalid_argument({{field, "this server takes text only"}});
  failure.reason = "MODALITY_UNSUPPORTED";
  return failure;
}

}  // namespace shoal::coordinator
