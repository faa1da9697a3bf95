#include <fmt/format.h>

#include "runtime/coordinator/chat_prompt.h"
#include "runtime/coordinator/http/api_request.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::http {
namespace {

using coordinator::Failure;
using coordinator::ServedModel;

// The prompt ends inside <think>, so the answer begins with reasoning.
bool ends_in_reasoning(const std::string& prompt) {
  const size_t last = prompt.find_last_not_of(" \t\r\n");
  return last != prompt.npos && std::string_view(prompt).substr(0, last + 1).ends_with("<think>");
}

// How many of the likeliest tokens are wanted beside each; -1: no log-probabilities at all.
int32_t read_chat_logprobs(JsonFields& fields) {
  const bool wanted = fields.boolean("logprobs").value_or(false);
  const auto count = fields.integer("top_logprobs", 0, coordinator::kMaxTopLogprobs);
  if (count && *count > 0 && !wanted) fields.violate("top_logprobs", "needs logprobs: true");
  return wanted ? static_cast<int32_t>(count.value_or(0)) : -1;
}

void refuse_other_chats(JsonFields& fields) {
  fields.refuse_unless("functions", Json::array(), "the older form of tools (use tools)");
  fields.refuse_unless("function_call", "none", "the older form of tool_choice");
  fields.refuse_unless("modalities", Json::array({"text"}), "output that is not text");
  fields.refuse_unless("audio", nullptr, "sound");
  fields.refuse_unless("prediction", nullptr, "a predicted answer");
  fields.refuse_unless("web_search_options", nullptr, "web search");
  fields.refuse_unless("parallel_tool_calls", true, "a limit of one tool call");
  fields.refuse_unless("continue_final_message", false, "going on with the last message");
  fields.refuse_unless("chat_template", nullptr, "a template from a request");
  fields.refuse_unless("echo", false, "echo in a chat");
}

}  // namespace

std::variant<ApiRequest, Failure> chat_request(const Json& body,
                                               const std::string& client_id,
                                               const ServedModel& model) {
  JsonFields fields(body);
  ApiRequest request;
  coordinator::GenerationRequest options = read_options(fields, model, request);
  const auto max_tokens = fields.integer("max_tokens", 1);
  const auto max_completion_tokens = fields.integer("max_completion_tokens", 1);
  options.max_tokens = max_completion_tokens.value_or(max_tokens.value_or(0));  // 0: to the context
  options.sampling.logprobs = read_chat_logprobs(fields);
  request.logprobs = options.sampling.logprobs >= 0;
  refuse_other_chats(fields);
  const Json variables = chat_variables(fields);
  request.unknown_fields = fields.unknown();
  if (auto failure = fields.failure()) return *failure;

  auto rendered = coordinator::render_prompt(model, variables);
  if (auto* failure = std::get_if<Failure>(&rendered)) return *failure;
  auto& prompt = std::get<coordinator::RenderedPrompt>(rendered);
  request.answer.starts_in_reasoning = ends_in_reasoning(prompt.text);
  if (variables.contains("tools")) {
    request.answer.parse_calls = true;
    request.answer.tools = answer::forms_of(variables["tools"]);
  }
  request.id = client_id.empty() ? coordinator::random_request_id() : client_id;
  options.request_id = request.id;
  options.prompt_ids = std::move(prompt.ids);
  auto violations = check_request(options, model.tokenizer->vocab_size(), "messages");
  if (!violations.empty()) return coordinator::invalid_argument(std::move(violations));
  if (request.constraint)
    if (auto failure = constrain(options, *request.constraint, *model.tokenizer)) return *failure;
  request.prompts.push_back(std::move(options));
  return request;
}

}  // namespace shoal::http
