#include "runtime/coordinator/cluster_to_proto.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>

#include "runtime/coordinator/cache_to_proto.h"

namespace shoal::coordinator {
namespace {

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

}  // namespace

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
  add_cache(status, load);
  return load;
}

v1::GetClusterResponse to_proto(const ClusterStatus& status) {
  v1::GetClusterResponse response;
  response.set_phase(to_proto(status.phase));
  response.set_epoch(status.epoch);
  response.set_last_step(status.last_step);
  for (const auto& rank : status.ranks) *response.add_ranks() = to_proto(rank);
  *response.mutable_load() = load_of(status);
  response.set_message(status.message);
  return response;
}

v1::RequestInfo to_proto(const LiveRequest& request) {
  v1::RequestInfo info;
  info.set_request_id(request.id);
  *info.mutable_age() = seconds(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - request.since).count());
  info.set_prompt_tokens(request.prompt_tokens);
  info.set_generated_tokens(request.generated_tokens);
  info.set_owner(request.owner);
  return info;
}

}  // namespace shoal::coordinator
