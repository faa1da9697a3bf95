// From a conversation, as the variables of the model's chat template, to prompt ids. Shared by the
// doors; each brings its own form into these variables first.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "runtime/coordinator/generation_request.h"
#include "runtime/coordinator/served_model.h"

namespace shoal::coordinator {

struct RenderedPrompt {
  std::string text;
  std::vector<int32_t> ids;
};

// variables: {"messages": [...], "tools": [...], "add_generation_prompt": true, ...}. Only what the
// template itself wrote becomes special tokens. Fails where the model has no template
// (kUnimplemented) and where the template refuses (kInvalidArgument with its message).
std::variant<RenderedPrompt, Failure> render_prompt(const ServedModel& model,
                                                    const nlohmann::ordered_json& variables);

// The OpenAI API carries a call's arguments as JSON text, templates want the object: replaced in
// place where the text is an object. False: not a list of calls.
bool normalize_tool_calls(nlohmann::ordered_json& tool_calls);

// What is said of images, sound and video, by every door.
Failure modality_unsupported(const std::string& field);

}  // namespace shoal::coordinator
