// GetModel and GetCluster: what is served, and by whom.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "runtime/coordinator/grpc_services.h"
#include "runtime/coordinator/request_limits.h"
#include "runtime/coordinator/status_map.h"

namespace shoal::coordinator {
namespace {

void add_sizes(const loader::TensorDirectory& directory, v1::GetModelResponse& response) {
  std::map<std::string, uint64_t> by_type;
  int64_t parameters = 0;
  for (const auto& tensor : directory.tensors()) {
    by_type[std::string(dtype_name(tensor.dtype))] += tensor.bytes;
    parameters += tensor.elements();
  }
  std::vector<std::pair<std::string, uint64_t>> types(by_type.begin(), by_type.end());
  std::stable_sort(
      types.begin(), types.end(), [](auto& a, auto& b) { return a.second > b.second; });
  for (const auto& [type, bytes] : types) {
    auto& entry = *response.add_types();
    entry.set_type(type);
    entry.set_bytes(bytes);
  }
  response.set_parameters(parameters);
  response.set_total_bytes(directory.total_bytes());
  response.set_num_files(static_cast<int32_t>(directory.shards().size()));
}

void add_vocabulary(const ServedModel& model, v1::GetModelResponse& response) {
  const auto& vocab = model.vocab;
  response.set_vocab_size(model.tokenizer->vocab_size());
  if (vocab.eos_id >= 0) response.set_eos_id(static_cast<uint32_t>(vocab.eos_id));
  if (vocab.bos_id) response.set_bos_id(static_cast<uint32_t>(*vocab.bos_id));
  if (vocab.padding_id) response.set_padding_id(static_cast<uint32_t>(*vocab.padding_id));
  for (int32_t id : model.stop_ids) response.add_stop_ids(static_cast<uint32_t>(id));
  response.set_has_chat_template(model.chat_template != nullptr);
  const auto sampling = default_sampling(vocab.sampling);
  auto& defaults = *response.mutable_default_sampling();
  defaults.set_temperature(sampling.temperature);
  defaults.set_top_p(sampling.top_p);
  defaults.set_top_k(sampling.top_k);
  defaults.set_min_p(sampling.min_p);
  defaults.set_from_model(vocab.sampling.temperature || vocab.sampling.top_k ||
                          vocab.sampling.top_p || vocab.sampling.min_p);
}

v1::ClusterPhase to_proto(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return v1::CLUSTER_PHASE_STARTING;
    case Phase::kServing:
      return v1::CLUSTER_PHASE_SERVING;
    case Phase::kRecovering:
      return v1::CLUSTER_PHASE_RECOVERING;
    case Phase::kDraining:
      return v1::CLUSTER_PHASE_DRAINING;
    case Phase::kStopped:
      return v1::CLUSTER_PHASE_STOPPED;
    case Phase::kFailed:
      return v1::CLUSTER_PHASE_FAILED;
  }
  return v1::CLUSTER_PHASE_UNSPECIFIED;
}

google::protobuf::Duration seconds(double value) {
  constexpr double kNanos = 1e9, kLongest = 1e9;  // a rank's figure, so not trusted
  const double sane = std::isfinite(value) ? std::clamp(value, 0.0, kLongest) : 0.0;
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(
      static_cast<int64_t>(sane * kNanos));
}

v1::RankStats to_proto(const plan::RankStats& stats) {
  v1::RankStats message;
  message.set_steps(stats.steps);
  message.set_tokens(stats.tokens);
  message.set_expert_rows(stats.expert_rows);
  message.set_bytes_sent(stats.bytes_sent);
  message.set_bytes_received(stats.bytes_received);
  *message.mutable_attention() = seconds(stats.seconds_attention);
  *message.mutable_delta_net() = seconds(stats.seconds_delta_net);
  *message.mutable_router() = seconds(stats.seconds_router);
  *message.mutable_dispatch() = seconds(stats.seconds_dispatch);
  *message.mutable_expert() = seconds(stats.seconds_expert);
  *message.mutable_combine() = seconds(stats.seconds_combine);
  *message.mutable_sampling() = seconds(stats.seconds_sampling);
  *message.mutable_idle() = seconds(stats.seconds_idle);
  return message;
}

v1::Rank to_proto(const RankStatus& status) {
  v1::Rank message;
  message.set_rank(status.rank);
  message.set_stage(status.place.stage);
  message.set_ep_rank(status.place.ep_rank);
  message.set_host(status.host);
  message.set_pid(status.pid);
  message.set_state(status.state);
  message.set_kernels(status.kernels);
  message.set_first_layer(status.first_layer);
  message.set_num_layers(status.num_layers);
  message.set_first_expert(status.first_expert);
  message.set_num_experts(status.num_experts);
  message.set_bytes_loaded(status.bytes_loaded);
  message.set_bytes_total(status.bytes_total);
  message.set_weight_bytes(status.weight_bytes);
  message.set_expert_bytes(status.expert_bytes);
  for (const auto& [name, bytes] : status.bytes_by_class) {
    auto& entry = *message.add_bytes_by_class();
    entry.set_class_name(name);
    entry.set_bytes(bytes);
  }
  *message.mutable_stats() = to_proto(status.stats);
  return message;
}

v1::Load load_of(const ClusterStatus& status) {
  v1::Load load;
  load.set_running(status.running);
  load.set_waiting(status.waiting);
  load.set_blocks_used(status.blocks_used);
  load.set_blocks_total(status.blocks_total);
  load.set_prompt_tokens(status.prompt_tokens);
  load.set_generated_tokens(status.tokens_generated);
  load.set_requests_finished(status.requests_finished);
  load.set_requests_failed(status.requests_failed);
  return load;
}

}  // namespace

grpc::ServerUnaryReactor* ModelServiceDoor::GetModel(grpc::CallbackServerContext* call,
                                                     const v1::GetModelRequest*,
                                                     v1::GetModelResponse* response) {
  const ServedModel& model = door_.model();
  response->set_name(model.name);
  response->set_architecture(model.config.architecture);
  response->set_max_context(door_.max_context());
  response->set_context_length(model.config.context_length);
  response->set_num_layers(model.config.num_layers);
  response->set_hidden_size(model.config.hidden_size);
  response->set_num_experts(model.config.num_experts);
  response->set_num_experts_per_token(model.config.num_topk);
  response->set_max_request_bytes(kMaxRequestBytes);
  add_vocabulary(model, *response);
  add_sizes(model.directory, *response);
  auto* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ClusterServiceDoor::GetCluster(grpc::CallbackServerContext* call,
                                                         const v1::GetClusterRequest*,
                                                         v1::GetClusterResponse* response) {
  const ClusterStatus status = door_.status();
  response->set_phase(to_proto(status.phase));
  response->set_epoch(status.epoch);
  response->set_last_step(status.last_step);
  for (const auto& rank : status.ranks) *response->add_ranks() = to_proto(rank);
  *response->mutable_load() = load_of(status);
  response->set_message(status.message);
  auto* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace shoal::coordinator
