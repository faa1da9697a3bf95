// gRPC requests brought into the coordinator's form, checked field by field.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "runtime/coordinator/chat_prompt.h"
#include "runtime/coordinator/generation_request.h"
#include "runtime/coordinator/served_model.h"
#include "shoal/v1/inference_service.pb.h"

namespace shoal::coordinator {

// What a request brings outside its message.
struct CallFacts {
  std::string request_id;  // metadata x-request-id, used where the message names none
  Deadline deadline = Deadline::never();
  std::string owner;  // of the key that the call came with
};

// Renders and tokenises too. The request has an id and a seed afterwards. Only the prompt's length
// is left to be judged, by the coordinator.
std::variant<GenerationRequest, Failure> request_from_proto(const v1::GenerationSpec& spec,
                                                            const CallFacts& facts,
                                                            const ServedModel& model);

// The variables of the chat template. Field paths start with `field`.
std::variant<nlohmann::ordered_json, Failure> variables_from_proto(const v1::Chat& chat,
                                                                   const std::string& field);

v1::SamplingOptions to_proto(const plan::SamplingParams& sampling);
v1::TopLogprobs to_proto(const std::vector<plan::TokenLogprob>& top);
// Appends: deltas that wait for a slow reader are one delta.
void add_to_proto(const Delta& delta, v1::Delta& message);
void add_to_proto(const std::vector<plan::TokenScore>& scores, v1::Prompt& message);
v1::Prompt echo_of(const std::vector<int32_t>& prompt_ids, const text::Tokenizer& tokenizer);
v1::Finished to_proto(const Finished& finished);

}  // namespace shoal::coordinator
