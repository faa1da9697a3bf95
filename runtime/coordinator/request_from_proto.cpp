#include "runtime/coordinator/request_from_proto.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <limits>

#include "runtime/coordinator/output_constraint.h"
#include "runtime/coordinator/request_limits.h"
#include "runtime/scheduler/sequence.h"

namespace shoal::coordinator {
namespace {

constexpr int64_t kUpToContext = int64_t{1} << 40;

// False among them: json_object that is not set asks for nothing.
std::optional<ConstraintSource> constraint_from_proto(const v1::GenerationSpec& spec) {
  using Kind = ConstraintSource::Kind;
  switch (spec.constraint_case()) {
    case v1::GenerationSpec::kJsonSchema:
      return ConstraintSource{Kind::kJsonSchema, spec.json_schema(), "json_schema"};
    case v1::GenerationSpec::kJsonObject:
      if (!spec.json_object()) return std::nullopt;
      return ConstraintSource{Kind::kJsonObject, "", "json_object"};
    case v1::GenerationSpec::kRegex:
      return ConstraintSource{Kind::kRegex, spec.regex(), "regex"};
    case v1::GenerationSpec::kGrammar:
      return ConstraintSource{Kind::kGrammar, spec.grammar(), "grammar"};
    case v1::GenerationSpec::CONSTRAINT_NOT_SET:
      break;
  }
  return std::nullopt;
}

struct Prompt {
  std::vector<int32_t> ids;
  std::string field;
};

std::variant<Prompt, Failure> prompt_from_proto(const v1::GenerationSpec& spec,
                                                const ServedModel& model) {
  switch (spec.input_case()) {
    case v1::GenerationSpec::kText:
      return Prompt{model.tokenizer->encode(spec.text(), text::SpecialTokens::kRecognize), "text"};
    case v1::GenerationSpec::kTokenIds: {
      const auto& ids = spec.token_ids().ids();
      std::vector<FieldViolation> violations;
      if (!check_ids("token_ids.ids",
                     {ids.data(), static_cast<size_t>(ids.size())},
                     model.tokenizer->vocab_size(),
                     violations)) {
        return invalid_argument(std::move(violations));
      }
      return Prompt{{ids.begin(), ids.end()}, "token_ids.ids"};
    }
    case v1::GenerationSpec::kChat: {
      auto variables = variables_from_proto(spec.chat(), "chat");
      if (auto* failure = std::get_if<Failure>(&variables)) return *failure;
      auto prompt = render_prompt(model, std::get<nlohmann::ordered_json>(variables));
      if (auto* failure = std::get_if<Failure>(&prompt)) return *failure;
      return Prompt{std::get<RenderedPrompt>(std::move(prompt)).ids, "chat"};
    }
    default:
      return invalid_argument({{"input", "one of text, token_ids, chat is needed"}});
  }
}

// Ids past int32 would wrap into the vocabulary; -1 is refused by check_request.
int32_t narrow(uint32_t id) {
  return id > uint32_t{std::numeric_limits<int32_t>::max()} ? -1 : static_cast<int32_t>(id);
}

void read_sampling(const v1::SamplingOptions& options, plan::SamplingParams& sampling) {
  if (options.has_temperature()) sampling.temperature = options.temperature();
  if (options.has_top_p()) sampling.top_p = options.top_p();
  if (options.has_top_k()) sampling.top_k = options.top_k();
  if (options.has_min_p()) sampling.min_p = options.min_p();
  sampling.seed = options.has_seed() ? options.seed() : random_seed();
  if (options.has_presence_penalty()) sampling.presence_penalty = options.presence_penalty();
  if (options.has_frequency_penalty()) sampling.frequency_penalty = options.frequency_penalty();
  if (options.has_repetition_penalty()) sampling.repetition_penalty = options.repetition_penalty();
  for (const auto& [id, bias] : options.logit_bias())
    sampling.logit_bias.push_back({narrow(id), bias});
  // A map has no order of its own, and a plan should print the same each time.
  std::sort(sampling.logit_bias.begin(),
            sampling.logit_bias.end(),
            [](const plan::LogitBias& a, const plan::LogitBias& b) { return a.id < b.id; });
}

void read_output(const v1::OutputOptions& options, GenerationRequest& request) {
  // Outside 0..20 it is refused by check_request; -1 there would mean that nothing is wanted.
  if (options.top_logprobs() != 0)
    request.sampling.logprobs =
        options.top_logprobs() < 0 ? kMaxTopLogprobs + 1 : options.top_logprobs();
  else if (options.logprobs())
    request.sampling.logprobs = 0;
  if (!options.prompt_logprobs()) return;
  request.score = plan::Score::kChunk;
  // With a score, 0 means to the coordinator that nothing is generated.
  if (request.max_tokens == 0) request.max_tokens = kUpToContext;
}

google::protobuf::Duration to_duration(std::chrono::nanoseconds span) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(span.count());
}

v1::FinishReason to_proto(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStopToken:
      return v1::FINISH_REASON_STOP_TOKEN;
    case FinishReason::kStopSequence:
      return v1::FINISH_REASON_STOP_SEQUENCE;
    case FinishReason::kMaxTokens:
      return v1::FINISH_REASON_MAX_TOKENS;
    case FinishReason::kContextFull:
      return v1::FINISH_REASON_CONTEXT_FULL;
    default:  // these end a call with a status
      return v1::FINISH_REASON_UNSPECIFIED;
  }
}

}  // namespace

std::variant<GenerationRequest, Failure> request_from_proto(const v1::GenerationSpec& spec,
                                                            const CallFacts& facts,
                                                            const ServedModel& model) {
  GenerationRequest request;
  request.request_id = !spec.request_id().empty()  ? spec.request_id()
                       : !facts.request_id.empty() ? facts.request_id
                                                   : random_request_id();
  request.model = spec.model();
  request.deadline = facts.deadline;
  request.owner = facts.owner;
  request.sampling = default_sampling(model.vocab.sampling);
  read_sampling(spec.sampling(), request.sampling);
  request.max_tokens = spec.stop().max_tokens();
  request.stop.strings.assign(spec.stop().strings().begin(), spec.stop().strings().end());
  for (uint32_t id : spec.stop().token_ids()) request.stop.token_ids.push_back(narrow(id));
  request.stop.ignore_eos = spec.stop().ignore_eos();
  request.stop.min_tokens = spec.stop().min_tokens();
  read_output(spec.output(), request);

  auto prompt = prompt_from_proto(spec, model);
  if (auto* failure = std::get_if<Failure>(&prompt)) return *failure;
  request.prompt_ids = std::move(std::get<Prompt>(prompt).ids);

  auto violations =
      check_request(request, model.tokenizer->vocab_size(), std::get<Prompt>(prompt).field);
  const int num_choices = spec.sampling().has_n() ? spec.sampling().n() : 1;
  if (num_choices < 1 || num_choices > kMaxChoices) {
    violations.push_back(
        {"sampling.n", fmt::format("{} is outside 1..{}", num_choices, kMaxChoices)});
  }
  request.num_choices = num_choices;
  if (spec.cache_salt().size() > kMaxSaltBytes) {
    violations.push_back(
        {"cache_salt",
         fmt::format("{} bytes; at most {}", spec.cache_salt().size(), kMaxSaltBytes)});
  }
  request.cache_salt = spec.cache_salt();
  if (!violations.empty()) return invalid_argument(std::move(violations));
  if (const auto source = constraint_from_proto(spec))
    if (auto failure = constrain(request, *source, *model.tokenizer)) return *failure;
  return request;
}

v1::SamplingOptions to_proto(const plan::SamplingParams& sampling) {
  v1::SamplingOptions options;
  options.set_temperature(sampling.temperature);
  options.set_top_p(sampling.top_p);
  options.set_top_k(sampling.top_k);
  options.set_min_p(sampling.min_p);
  options.set_seed(sampling.seed);
  if (sampling.presence_penalty != 0) options.set_presence_penalty(sampling.presence_penalty);
  if (sampling.frequency_penalty != 0) options.set_frequency_penalty(sampling.frequency_penalty);
  if (sampling.repetition_penalty != 1) options.set_repetition_penalty(sampling.repetition_penalty);
  for (const auto& [id, bias] : sampling.logit_bias)
    (*options.mutable_logit_bias())[static_cast<uint32_t>(id)] = bias;
  return options;
}

void add_to_proto(const Delta& delta, v1::Delta& message) {
  message.mutable_text()->append(delta.text);
  for (const int32_t id : delta.token_ids) message.add_token_ids(static_cast<uint32_t>(id));
  for (const float logprob : delta.logprobs) message.add_logprobs(logprob);
  for (const auto& top : delta.top) *message.add_top_logprobs() = to_proto(top);
}

v1::TopLogprobs to_proto(const std::vector<plan::TokenLogprob>& top) {
  v1::TopLogprobs message;
  for (const auto& [token, logprob] : top) {
    message.add_token_ids(static_cast<uint32_t>(token));
    message.add_logprobs(logprob);
  }
  return message;
}

void add_to_proto(const std::vector<plan::TokenScore>& scores, v1::Prompt& message) {
  for (const plan::TokenScore& score : scores) {
    message.add_logprobs(score.logprob);
    if (!score.top.empty()) *message.add_top_logprobs() = to_proto(score.top);
  }
}

v1::Prompt echo_of(const std::vector<int32_t>& prompt_ids, const text::Tokenizer& tokenizer) {
  v1::Prompt message;
  message.set_text(tokenizer.decode(prompt_ids, {.skip_special_tokens = false}));
  for (const int32_t id : prompt_ids) message.add_token_ids(static_cast<uint32_t>(id));
  return message;
}

namespace {

// In the order of cache::PrefixEnd.
v1::CacheEnd cache_end_to_proto(const std::string& name) {
  for (int i = 0; i < cache::kNumPrefixEnds; ++i)
    if (name == cache::prefix_end_name(static_cast<cache::PrefixEnd>(i)))
      return static_cast<v1::CacheEnd>(i + 1);
  return v1::CACHE_END_UNSPECIFIED;
}

}  // namespace

v1::Finished to_proto(const Finished& finished) {
  v1::Finished message;
  message.set_reason(to_proto(finished.reason));
  message.set_matched_stop(finished.matched_stop);
  message.mutable_usage()->set_prompt_tokens(finished.usage.prompt_tokens);
  message.mutable_usage()->set_completion_tokens(finished.usage.completion_tokens);
  message.mutable_usage()->set_cached_tokens(finished.usage.cached_tokens);
  message.mutable_cache()->set_shared_tokens(finished.cache.shared_tokens);
  message.mutable_cache()->set_end(cache_end_to_proto(finished.cache.end));
  for (const ChoiceEnd& choice : finished.choices) {
    auto& end = *message.add_choices();
    end.set_reason(to_proto(choice.reason));
    end.set_matched_stop(choice.matched_stop);
    end.set_completion_tokens(choice.completion_tokens);
    end.set_cached_tokens(choice.cached_tokens);
    end.set_seed(choice.seed);
  }
  auto& timings = *message.mutable_timings();
  *timings.mutable_queue() = to_duration(finished.timings.queue);
  *timings.mutable_prefill() = to_duration(finished.timings.prefill);
  *timings.mutable_first_token() = to_duration(finished.timings.first_token);
  *timings.mutable_decode() = to_duration(finished.timings.decode);
  *timings.mutable_total() = to_duration(finished.timings.total);
  timings.set_prefill_tps(finished.timings.prefill_tps);
  timings.set_decode_tps(finished.timings.decode_tps);
  return message;
}

}  // namespace shoal::coordinator
