#include "runtime/coordinator/client/to_request.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "runtime/text/utf8.h"

namespace shoal::client {
namespace {

using google::protobuf::util::TimeUtil;

std::chrono::nanoseconds span(const google::protobuf::Duration& duration) {
  return std::chrono::nanoseconds(TimeUtil::DurationToNanoseconds(duration));
}

double seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(TimeUtil::DurationToNanoseconds(duration)) * 1e-9;
}

coordinator::Phase phase_of(v1::ClusterPhase phase) {
  using coordinator::Phase;
  switch (phase) {
    case v1::CLUSTER_PHASE_SERVING:
      return Phase::kServing;
    case v1::CLUSTER_PHASE_RECOVERING:
      return Phase::kRecovering;
    case v1::CLUSTER_PHASE_DRAINING:
      return Phase::kDraining;
    case v1::CLUSTER_PHASE_STOPPED:
      return Phase::kStopped;
    case v1::CLUSTER_PHASE_FAILED:
      return Phase::kFailed;
    default:
      return Phase::kStarting;
  }
}

plan::RankStats from_proto(const v1::RankStats& message) {
  plan::RankStats stats;
  stats.steps = message.steps();
  stats.tokens = message.tokens();
  stats.expert_rows = message.expert_rows();
  stats.bytes_sent = message.bytes_sent();
  stats.bytes_received = message.bytes_received();
  stats.seconds_attention = seconds(message.attention());
  stats.seconds_delta_net = seconds(message.delta_net());
  stats.seconds_router = seconds(message.router());
  stats.seconds_dispatch = seconds(message.dispatch());
  stats.seconds_expert = seconds(message.expert());
  stats.seconds_combine = seconds(message.combine());
  stats.seconds_sampling = seconds(message.sampling());
  stats.seconds_idle = seconds(message.idle());
  return stats;
}

coordinator::RankStatus from_proto(const v1::Rank& message) {
  coordinator::RankStatus status;
  status.rank = message.rank();
  status.place = {.stage = message.stage(), .ep_rank = message.ep_rank()};
  status.host = message.host();
  status.state = message.state();
  status.kernels = message.kernels();
  status.pid = message.pid();
  status.bytes_loaded = message.bytes_loaded();
  status.bytes_total = message.bytes_total();
  status.weight_bytes = message.weight_bytes();
  status.expert_bytes = message.expert_bytes();
  for (const auto& entry : message.bytes_by_class()) {
    status.bytes_by_class.emplace_back(entry.class_name(), entry.bytes());
  }
  status.first_expert = message.first_expert();
  status.num_experts = message.num_experts();
  status.first_layer = message.first_layer();
  status.num_layers = message.num_layers();
  status.stats = from_proto(message.stats());
  return status;
}

std::string cache_end_of(v1::CacheEnd end) {
  // CACHE_END_NEW_TEXT is "new_text".
  std::string name = v1::CacheEnd_Name(end);
  name = name.substr(std::min(name.size(), std::string_view("CACHE_END_").size()));
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return name;
}

coordinator::FinishReason reason_of(v1::FinishReason reason) {
  using coordinator::FinishReason;
  switch (reason) {
    case v1::FINISH_REASON_STOP_TOKEN:
      return FinishReason::kStopToken;
    case v1::FINISH_REASON_STOP_SEQUENCE:
      return FinishReason::kStopSequence;
    case v1::FINISH_REASON_CONTEXT_FULL:
      return FinishReason::kContextFull;
    default:
      return FinishReason::kMaxTokens;
  }
}

template <class Source>
std::vector<int32_t> signed_ids(const Source& ids) {
  return std::vector<int32_t>(ids.begin(), ids.end());
}

void set_sampling(const SamplingOptions& options, v1::SamplingOptions& sampling) {
  if (options.temperature) sampling.set_temperature(*options.temperature);
  if (options.top_p) sampling.set_top_p(*options.top_p);
  if (options.min_p) sampling.set_min_p(*options.min_p);
  if (options.top_k) sampling.set_top_k(*options.top_k);
  if (options.seed) sampling.set_seed(*options.seed);
  if (options.presence_penalty) sampling.set_presence_penalty(*options.presence_penalty);
  if (options.frequency_penalty) sampling.set_frequency_penalty(*options.frequency_penalty);
  if (options.repetition_penalty) sampling.set_repetition_penalty(*options.repetition_penalty);
  for (const auto& [id, bias] : options.logit_bias)
    (*sampling.mutable_logit_bias())[static_cast<uint32_t>(id)] = bias;
}

void set_constraint(const coordinator::ConstraintSource& source, v1::GenerationSpec& spec) {
  using Kind = coordinator::ConstraintSource::Kind;
  switch (source.kind) {
    case Kind::kJsonSchema:
      spec.set_json_schema(text::sanitize_utf8(source.text));
      break;
    case Kind::kJsonObject:
      spec.set_json_object(true);
      break;
    case Kind::kRegex:
      spec.set_regex(text::sanitize_utf8(source.text));
      break;
    case Kind::kGrammar:
      spec.set_grammar(text::sanitize_utf8(source.text));
      break;
  }
}

template <class Source>
std::vector<std::vector<plan::TokenLogprob>> tops_of(const Source& messages) {
  std::vector<std::vector<plan::TokenLogprob>> tops;
  for (const v1::TopLogprobs& message : messages) {
    auto& top = tops.emplace_back();
    // Two lists of a peer: as far as both go.
    for (int i = 0; i < std::min(message.token_ids_size(), message.logprobs_size()); ++i)
      top.push_back({static_cast<int32_t>(message.token_ids(i)), message.logprobs(i)});
  }
  return tops;
}

}  // namespace

v1::Chat to_chat(const ChatPrompt& chat) {
  v1::Chat message;
  for (const auto& turn : chat.messages) {
    auto& entry = *message.add_messages();
    entry.set_role(turn.role);
    entry.set_content(text::sanitize_utf8(turn.content));
    entry.set_reasoning_content(text::sanitize_utf8(turn.reasoning_content));
    entry.set_tool_calls_json(turn.tool_calls_json);
    entry.set_tool_call_id(turn.tool_call_id);
  }
  message.set_tools_json(chat.tools_json);
  if (chat.enable_thinking) message.set_enable_thinking(*chat.enable_thinking);
  return message;
}

v1::GenerationSpec to_spec(const GenerateOptions& options) {
  v1::GenerationSpec spec;
  spec.set_request_id(options.request_id);
  if (options.num_choices != 1) spec.mutable_sampling()->set_n(options.num_choices);
  if (const auto* prompt = std::get_if<std::string>(&options.prompt)) {
    spec.set_text(text::sanitize_utf8(*prompt));
  } else if (const auto* ids = std::get_if<std::vector<int32_t>>(&options.prompt)) {
    for (int32_t id : *ids) spec.mutable_token_ids()->add_ids(static_cast<uint32_t>(id));
    spec.mutable_token_ids();
  } else {
    *spec.mutable_chat() = to_chat(std::get<ChatPrompt>(options.prompt));
  }
  set_sampling(options.sampling, *spec.mutable_sampling());
  if (options.constraint) set_constraint(*options.constraint, spec);
  auto& stop = *spec.mutable_stop();
  for (const auto& text : options.stop.strings) stop.add_strings(text::sanitize_utf8(text));
  for (int32_t id : options.stop.token_ids) stop.add_token_ids(static_cast<uint32_t>(id));
  stop.set_ignore_eos(options.stop.ignore_eos);
  stop.set_max_tokens(options.max_tokens);
  stop.set_min_tokens(options.stop.min_tokens);
  auto& output = *spec.mutable_output();
  output.set_logprobs(options.output.logprobs.has_value());
  output.set_top_logprobs(options.output.logprobs.value_or(0));
  output.set_prompt_logprobs(options.output.prompt_logprobs);
  output.set_echo(options.output.echo);
  return spec;
}

coordinator::Accepted from_proto(const std::string& request_id, const v1::Accepted& message) {
  return {.request_id = request_id,
          .prompt_tokens = message.prompt_tokens(),
          .queue_position = message.queue_position(),
          .seed = message.seed()};
}

coordinator::Delta from_proto(const v1::Delta& message) {
  return {.index = message.index(),
          .text = message.text(),
          .token_ids = signed_ids(message.token_ids()),
          .logprobs = {message.logprobs().begin(), message.logprobs().end()},
          .top = tops_of(message.top_logprobs())};
}

PromptPart from_proto(const v1::Prompt& message) {
  return {.text = message.text(),
          .logprobs = {message.logprobs().begin(), message.logprobs().end()},
          .top = tops_of(message.top_logprobs())};
}

coordinator::Finished from_proto(const v1::Finished& message) {
  coordinator::Finished finished;
  finished.reason = reason_of(message.reason());
  finished.matched_stop = message.matched_stop();
  finished.usage = {.prompt_tokens = message.usage().prompt_tokens(),
                    .completion_tokens = message.usage().completion_tokens(),
                    .cached_tokens = message.usage().cached_tokens()};
  finished.cache = {.shared_tokens = message.cache().shared_tokens(),
                    .end = cache_end_of(message.cache().end())};
  for (const auto& end : message.choices())
    finished.choices.push_back({.reason = reason_of(end.reason()),
                                .matched_stop = end.matched_stop(),
                                .completion_tokens = end.completion_tokens(),
                                .cached_tokens = end.cached_tokens(),
                                .seed = end.seed()});
  const auto& timings = message.timings();
  finished.timings = {.queue = span(timings.queue()),
                      .prefill = span(timings.prefill()),
                      .first_token = span(timings.first_token()),
                      .decode = span(timings.decode()),
                      .total = span(timings.total()),
                      .prefill_tps = timings.prefill_tps(),
                      .decode_tps = timings.decode_tps()};
  return finished;
}

coordinator::ClusterStatus from_proto(const v1::GetClusterResponse& message) {
  coordinator::ClusterStatus status;
  status.phase = phase_of(message.phase());
  status.epoch = message.epoch();
  status.last_step = message.last_step();
  for (const auto& rank : message.ranks()) status.ranks.push_back(from_proto(rank));
  const auto& load = message.load();
  status.running = load.running();
  status.waiting = load.waiting();
  status.blocks_used = load.blocks_used();
  status.blocks_total = load.blocks_total();
  status.paused = load.paused();
  const auto& cache = load.prefix_cache();
  status.cache = {.on = cache.on(),
                  .hits = cache.hits(),
                  .hit_tokens = cache.hit_tokens(),
                  .evictions = cache.evictions(),
                  .bytes = cache.bytes(),
                  .texts = cache.texts(),
                  .blocks = cache.blocks(),
                  .pauses = cache.pauses(),
                  .recomputed_tokens = cache.recomputed_tokens(),
                  .ends = {cache.ends().begin(), cache.ends().end()}};
  std::sort(status.cache.ends.begin(), status.cache.ends.end());
  status.prompt_tokens = load.prompt_tokens();
  status.tokens_generated = load.generated_tokens();
  status.requests_finished = load.requests_finished();
  status.requests_failed = load.requests_failed();
  status.message = message.message();
  return status;
}

ModelFacts from_proto(const v1::GetModelResponse& message) {
  ModelFacts facts;
  facts.name = message.name();
  facts.architecture = message.architecture();
  facts.max_context = message.max_context();
  facts.context_length = message.context_length();
  facts.vocab_size = message.vocab_size();
  facts.parameters = message.parameters();
  facts.num_layers = message.num_layers();
  facts.num_experts = message.num_experts();
  facts.num_experts_per_token = message.num_experts_per_token();
  facts.num_files = message.num_files();
  facts.total_bytes = message.total_bytes();
  for (const auto& type : message.types())
    facts.bytes_by_type.emplace_back(type.type(), type.bytes());
  facts.stop_ids = signed_ids(message.stop_ids());
  facts.has_chat_template = message.has_chat_template();
  const auto& sampling = message.default_sampling();
  facts.default_sampling = {.temperature = sampling.temperature(),
                            .top_p = sampling.top_p(),
                            .min_p = sampling.min_p(),
                            .top_k = sampling.top_k(),
                            .seed = std::nullopt,
                            .presence_penalty = {},
                            .frequency_penalty = {},
                            .repetition_penalty = {},
                            .logit_bias = {}};
  facts.sampling_from_model = sampling.from_model();
  return facts;
}

}  // namespace shoal::client
