// A body of /v1/completions or /v1/chat/completions brought into the coordinator's form, checked
// field by field. Fields that are known and not built are refused by name; fields that nobody knows
// are listed, so that the door can warn of each once.
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/coordinator/generation_request.h"
#include "runtime/coordinator/http/json_fields.h"
#include "runtime/coordinator/output_constraint.h"
#include "runtime/coordinator/served_model.h"
#include "runtime/text/answer/answer_parser.h"

namespace shoal::http {

inline constexpr size_t kMaxPrompts = 256;  // of one /v1/completions body

struct ApiRequest {
  // One for each prompt; ids are "<id>" or "<id>-<index>", and all have a seed.
  std::vector<coordinator::GenerationRequest> prompts;
  std::string id;  // the client's x-request-id, else made up
  bool stream = false, include_usage = false;
  bool logprobs = false;
  bool echo = false;             // completions: the prompt's text goes before the answer
  answer::AnswerOptions answer;  // chat
  std::optional<coordinator::ConstraintSource> constraint;  // compiled into every prompt
  std::vector<std::string> unknown_fields;
};

std::variant<ApiRequest, coordinator::Failure> completion_request(
    const Json& body, const std::string& client_id, const coordinator::ServedModel& model);
std::variant<ApiRequest, coordinator::Failure> chat_request(const Json& body,
                                                            const std::string& client_id,
                                                            const coordinator::ServedModel& model);

// The variables of the chat template from a chat body: messages, tools, enable_thinking, ...
// Violations and refusals go to `fields`.
Json chat_variables(JsonFields& fields);

std::optional<coordinator::ConstraintSource> read_constraint(JsonFields& fields);

// What both kinds of body share: sampling, stops, length, streaming. Leaves the prompt alone.
coordinator::GenerationRequest read_options(JsonFields& fields,
                                            const coordinator::ServedModel& model,
                                            ApiRequest& request);

}  // namespace shoal::http
