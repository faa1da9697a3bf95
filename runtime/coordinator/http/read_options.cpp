// The fields that completions and chat completions share.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "runtime/coordinator/http/api_request.h"
#include "runtime/coordinator/request_limits.h"

namespace shoal::http {
namespace {

void read_sampling(JsonFields& fields, plan::SamplingParams& sampling) {
  if (const auto value = fields.number("temperature"))
    sampling.temperature = static_cast<float>(*value);
  if (const auto value = fields.number("top_p")) sampling.top_p = static_cast<float>(*value);
  if (const auto value = fields.number("min_p")) sampling.min_p = static_cast<float>(*value);
  // -1 means "off" to some clients.
  if (const auto value = fields.integer("top_k", -1, int64_t{1} << 30))
    sampling.top_k = static_cast<int32_t>(std::max<int64_t>(*value, 0));
  if (const auto value = fields.integer("seed"))
    sampling.seed = static_cast<uint64_t>(*value);
  else
    sampling.seed = coordinator::random_seed();
}

// {"42": -1.5}: JSON has no other names than strings.
void read_logit_bias(JsonFields& fields, std::vector<plan::LogitBias>& biases) {
  const Json* object = fields.find("logit_bias");
  if (object == nullptr) return;
  if (!object->is_object()) {
    fields.violate("logit_bias", "not an object of token ids and numbers");
    return;
  }
  for (const auto& [name, value] : object->items()) {
    plan::LogitBias bias;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), bias.id);
    if (error != std::errc{} || end != name.data() + name.size() || !value.is_number()) {
      fields.violate("logit_bias", "not an object of token ids and numbers");
      return;
    }
    bias.bias = value.get<float>();
    biases.push_back(bias);
  }
  std::sort(biases.begin(), biases.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

void read_penalties(JsonFields& fields, plan::SamplingParams& sampling) {
  const auto read = [&](const char* name, float& value) {
    if (const auto given = fields.number(name)) value = static_cast<float>(*given);
  };
  read("presence_penalty", sampling.presence_penalty);
  read("frequency_penalty", sampling.frequency_penalty);
  read("repetition_penalty", sampling.repetition_penalty);
  read("repeat_penalty", sampling.repetition_penalty);  // llama.cpp's name
}

void refuse_what_is_not_built(JsonFields& fields) {
  fields.refuse_unless("best_of", 1, "choosing the best of several");
  fields.refuse_unless("skip_special_tokens", true, "special tokens in the text");
  fields.refuse_unless("use_beam_search", false, "beam search");
  fields.refuse_unless("truncate_prompt_tokens", nullptr, "cutting the prompt");
  fields.refuse_unless("prompt_logprobs", nullptr, "prompt log-probabilities in this form");
}

}  // namespace

coordinator::GenerationRequest read_options(JsonFields& fields,
                                            const coordinator::ServedModel& model,
                                            ApiRequest& request) {
  coordinator::GenerationRequest options;
  options.model = fields.text("model").value_or("");
  options.sampling = coordinator::default_sampling(model.vocab.sampling);
  read_sampling(fields, options.sampling);
  read_penalties(fields, options.sampling);
  read_logit_bias(fields, options.sampling.logit_bias);
  options.num_choices =
      static_cast<int>(fields.integer("n", 1, coordinator::kMaxChoices).value_or(1));
  options.cache_salt = fields.text("cache_salt").value_or("");
  options.stop.min_tokens = fields.integer("min_tokens", 0).value_or(0);
  options.stop.strings = fields.texts("stop");
  options.stop.token_ids = fields.ids("stop_token_ids").value_or(std::vector<int32_t>{});
  options.stop.ignore_eos = fields.boolean("ignore_eos").value_or(false);
  request.stream = fields.boolean("stream").value_or(false);
  if (const Json* stream = fields.find("stream_options")) {
    if (stream->is_object()) {
      JsonFields inner(*stream, "stream_options.");
      request.include_usage = inner.boolean("include_usage").value_or(false);
      if (const auto failure = inner.failure())
        fields.violate("stream_options", failure->violations.front().description);
    } else {
      fields.violate("stream_options", "not an object");
    }
  }
  refuse_what_is_not_built(fields);
  request.constraint = read_constraint(fields);
  // Said by clients, and without effect on what is generated here.
  fields.ignore({"user",
                 "metadata",
                 "store",
                 "service_tier",
                 "safety_identifier",
                 "prompt_cache_key",
                 "spaces_between_special_tokens",
                 "add_special_tokens"});
  return options;
}

}  // namespace shoal::http
