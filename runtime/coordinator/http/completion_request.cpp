#include <fmt/format.h>

#include "runtime/coordinator/http/api_request.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::http {
namespace {

using coordinator::Failure;
using coordinator::ServedModel;

std::vector<int32_t> encode(const ServedModel& model, const std::string& text) {
  return model.tokenizer->encode(text, text::SpecialTokens::kRecognize);
}

// A string, a list of strings, a list of ids, or a list of lists of ids.
std::vector<std::vector<int32_t>> read_prompts(JsonFields& fields, const ServedModel& model) {
  const Json* prompt = fields.find("prompt");
  if (prompt == nullptr) {
    fields.violate("prompt", "is needed");
    return {};
  }
  if (prompt->is_string()) return {encode(model, prompt->get_ref<const std::string&>())};
  if (!prompt->is_array() || prompt->empty()) {
    fields.violate("prompt", "not a string, a list of strings, or token ids");
    return {};
  }
  if (prompt->front().is_number()) return {fields.ids("prompt").value_or(std::vector<int32_t>{})};
  if (prompt->size() > kMaxPrompts) {
    fields.violate("prompt", fmt::format("{} prompts; at most {}", prompt->size(), kMaxPrompts));
    return {};
  }
  std::vector<std::vector<int32_t>> prompts;
  for (size_t i = 0; i < prompt->size(); ++i) {
    const Json& one = (*prompt)[i];
    if (one.is_string()) {
      prompts.push_back(encode(model, one.get_ref<const std::string&>()));
      continue;
    }
    const Json wrapped = {{"prompt", one}};
    JsonFields inner(wrapped);
    prompts.push_back(inner.ids("prompt").value_or(std::vector<int32_t>{}));
    if (inner.failure() || !one.is_array())
      fields.violate(fmt::format("prompt[{}]", i), "not a string or a list of token ids");
  }
  return prompts;
}

}  // namespace

std::variant<ApiRequest, Failure> completion_request(const Json& body,
                                                     const std::string& client_id,
                                                     const ServedModel& model) {
  JsonFields fields(body);
  ApiRequest request;
  coordinator::GenerationRequest options = read_options(fields, model, request);
  options.max_tokens = fields.integer("max_tokens", 0).value_or(16);  // as OpenAI's door does
  request.echo = fields.boolean("echo").value_or(false);
  if (const auto count = fields.integer("logprobs", 0, coordinator::kMaxTopLogprobs)) {
    request.logprobs = true;
    options.sampling.logprobs = static_cast<int32_t>(*count);
    if (request.echo) options.score = plan::Score::kChunk;
  }
  if (options.max_tokens == 0 && options.score != plan::Score::kChunk)
    fields.violate("max_tokens", "0 needs echo and logprobs; without them at least 1");
  fields.refuse_unless("suffix", "", "text behind the answer");
  const auto prompts = read_prompts(fields, model);
  request.unknown_fields = fields.unknown();
  if (auto failure = fields.failure()) return *failure;

  request.id = client_id.empty() ? coordinator::random_request_id() : client_id;
  for (size_t i = 0; i < prompts.size(); ++i) {
    coordinator::GenerationRequest one = options;
    one.request_id = prompts.size() == 1 ? request.id : fmt::format("{}-{}", request.id, i);
    one.prompt_ids = prompts[i];
    auto violations = check_request(one,
                                    model.tokenizer->vocab_size(),
                                    prompts.size() == 1 ? "prompt" : fmt::format("prompt[{}]", i));
    if (!violations.empty()) return coordinator::invalid_argument(std::move(violations));
    if (request.constraint)
      if (auto failure = constrain(one, *request.constraint, *model.tokenizer)) return *failure;
    request.prompts.push_back(std::move(one));
  }
  return request;
}

}  // namespace shoal::http
