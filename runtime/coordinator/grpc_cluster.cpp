// Who serves, how busy, and how evenly.
#include <grpcpp/alarm.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "runtime/coordinator/cluster_to_proto.h"
#include "runtime/coordinator/grpc_services.h"

namespace shoal::coordinator {
namespace {

using namespace std::chrono_literals;
using SystemClock = std::chrono::system_clock;

grpc::ServerUnaryReactor* done(grpc::CallbackServerContext* call) {
  auto* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

// One WatchCluster call: a message, a pause, the next. Lives until gRPC and the alarm let go.
class WatchCall final : public grpc::ServerWriteReactor<v1::WatchClusterResponse>,
                        public std::enable_shared_from_this<WatchCall> {
 public:
  WatchCall(RequestDoor& door, std::chrono::milliseconds interval)
      : door_(door), interval_(interval) {}

  static WatchCall* start(RequestDoor& door, std::chrono::milliseconds interval) {
    const auto call = std::make_shared<WatchCall>(door, interval);
    call->self_ = call;
    const std::lock_guard lock(call->mutex_);
    call->write();
    return call.get();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    if (!ok || cancelled_ || last_) {
      finish();
      return;
    }
    waiting_ = true;
    alarm_.Set(SystemClock::now() + interval_, [self = shared_from_this()](bool) { self->wake(); });
  }
  void OnCancel() override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (waiting_) alarm_.Cancel();
  }
  void OnDone() override { self_.reset(); }

 private:
  void wake() {
    const std::lock_guard lock(mutex_);
    waiting_ = false;
    if (cancelled_)
      finish();
    else
      write();
  }
  void write() {
    const ClusterStatus status = door_.status();
    last_ = status.phase == Phase::kStopped || status.phase == Phase::kFailed;
    *message_.mutable_cluster() = to_proto(status);
    StartWrite(&message_);
  }
  void finish() { Finish(cancelled_ ? grpc::Status::CANCELLED : grpc::Status::OK); }

  RequestDoor& door_;
  const std::chrono::milliseconds interval_;
  std::shared_ptr<WatchCall> self_;  // until OnDone
  std::mutex mutex_;
  grpc::Alarm alarm_;
  v1::WatchClusterResponse message_;
  bool cancelled_ = false, waiting_ = false, last_ = false;
};

std::chrono::milliseconds interval_of(const v1::WatchClusterRequest& request) {
  if (!request.has_interval()) return 1s;
  const auto& asked = request.interval();
  if (asked.seconds() >= 60) return 60s;
  const auto interval =
      std::chrono::seconds(std::max<int64_t>(asked.seconds(), 0)) + asked.nanos() * 1ns;
  return std::clamp(
      std::chrono::duration_cast<std::chrono::milliseconds>(interval), 100ms, 60'000ms);
}

}  // namespace

grpc::ServerUnaryReactor* ClusterServiceDoor::GetCluster(grpc::CallbackServerContext* call,
                                                         const v1::GetClusterRequest*,
                                                         v1::GetClusterResponse* response) {
  *response = to_proto(door_.status());
  return done(call);
}

grpc::ServerWriteReactor<v1::WatchClusterResponse>* ClusterServiceDoor::WatchCluster(
    grpc::CallbackServerContext*, const v1::WatchClusterRequest* request) {
  return WatchCall::start(door_, interval_of(*request));
}

grpc::ServerUnaryReactor* ClusterServiceDoor::GetLoads(grpc::CallbackServerContext* call,
                                                       const v1::GetLoadsRequest*,
                                                       v1::GetLoadsResponse* response) {
  const ClusterStatus status = door_.status();
  *response->mutable_load() = load_of(status);
  if (ledger_ != nullptr) {
    response->set_tokens_per_second(ledger_->tokens_per_second(1));
    response->set_tokens_per_second_10s(ledger_->tokens_per_second(10));
    response->set_tokens_per_second_60s(ledger_->tokens_per_second(60));
  }
  if (status.blocks_total > 0)
    response->set_kv_cache_usage(static_cast<double>(status.blocks_used) / status.blocks_total);
  return done(call);
}

grpc::ServerUnaryReactor* ClusterServiceDoor::GetPlacement(grpc::CallbackServerContext* call,
                                                           const v1::GetPlacementRequest*,
                                                           v1::GetPlacementResponse* response) {
  std::map<int, v1::StagePlacement*> stages;
  std::map<std::pair<int, int>, v1::ExpertOwner*> owners;
  for (const RankStatus& rank : door_.status().ranks) {
    auto& stage = stages[rank.place.stage];
    if (stage == nullptr) {
      stage = response->add_stages();
      stage->set_stage(rank.place.stage);
      stage->set_first_layer(rank.first_layer);
      stage->set_num_layers(rank.num_layers);
    }
    for (int i = 0; i < rank.num_experts; ++i) {
      const int expert_id = rank.first_expert + i;
      auto& owner = owners[{rank.place.stage, expert_id}];
      if (owner == nullptr) {
        owner = stage->add_experts();
        owner->set_expert_id(expert_id);
      }
      owner->add_ranks(rank.rank);
    }
  }
  return done(call);
}

grpc::ServerUnaryReactor* ClusterServiceDoor::GetExpertStats(grpc::CallbackServerContext* call,
                                                             const v1::GetExpertStatsRequest*,
                                                             v1::GetExpertStatsResponse* response) {
  std::map<int, v1::StageExpertRows*> stages;
  for (const RankStatus& rank : door_.status().ranks) {
    auto& stage = stages[rank.place.stage];
    if (stage == nullptr) {
      stage = response->add_stages();
      stage->set_stage(rank.place.stage);
    }
    auto& entry = *stage->add_ranks();
    entry.set_rank(rank.rank);
    entry.set_rows(rank.stats.expert_rows);
  }
  for (auto& stage : *response->mutable_stages()) {
    uint64_t most = 0, sum = 0;
    for (const auto& rank : stage.ranks()) {
      most = std::max<uint64_t>(most, rank.rows());
      sum += rank.rows();
    }
    if (sum > 0)
      stage.set_imbalance(static_cast<double>(most) * stage.ranks_size() /
                          static_cast<double>(sum));
  }
  return done(call);
}

}  // namespace shoal::coordinator
