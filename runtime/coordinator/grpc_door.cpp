#include "runtime/coordinator/grpc_door.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <mutex>

#include "runtime/coordinator/grpc_listener.h"
#include "runtime/coordinator/grpc_services.h"

namespace shoal::coordinator {

// Shared with the phase callback, which may come after the server is gone.
class GrpcDoor::Health {
 public:
  void attach(grpc::HealthCheckServiceInterface* service) {
    std::lock_guard lock(mutex_);
    service_ = service;
  }

  // The phase that was read when the door opened; a callback may have been faster.
  void start_with(Phase phase) {
    std::lock_guard lock(mutex_);
    if (!told_) publish(phase);
  }

  void set(Phase phase) {
    std::lock_guard lock(mutex_);
    told_ = true;
    publish(phase);
  }

 private:
  void publish(Phase phase) {
    const bool accepts =
        phase == Phase::kStarting || phase == Phase::kServing || phase == Phase::kRecovering;
    if (service_ == nullptr) return;
    service_->SetServingStatus("", accepts);
    service_->SetServingStatus(v1::InferenceService::service_full_name(), phase == Phase::kServing);
  }

  std::mutex mutex_;
  bool told_ = false;
  grpc::HealthCheckServiceInterface* service_ = nullptr;  // the server's
};

struct GrpcDoor::Server {
  Server(RequestDoor& door, const GrpcDoorOptions& options)
      : inference(door, options.ledger, options.access.keys),
        tokenizer(door),
        model(door),
        cluster(door, options.ledger) {}

  InferenceServiceDoor inference;
  TokenizerServiceDoor tokenizer;
  ModelServiceDoor model;
  ClusterServiceDoor cluster;
  Listener listener;
  bool shut = false;
};

GrpcDoor::GrpcDoor(GrpcDoorOptions options, RequestDoor& door)
    : health_(std::make_shared<Health>()), server_(std::make_unique<Server>(door, options)) {
  // Both are switches of the whole process, read when a server is built.
  static std::once_flag once;
  std::call_once(once, [] { grpc::EnableDefaultHealthCheckService(true); });
  if (options.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  grpc::ServerBuilder builder;
  if (!options.reflection) offer_nothing_else(builder);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.RegisterService(&server_->inference);
  builder.RegisterService(&server_->tokenizer);
  builder.RegisterService(&server_->model);
  builder.RegisterService(&server_->cluster);
  server_->listener = listen(
      builder, options.address, "--grpc-port", server_credentials(options.access, options.address));

  health_->attach(server_->listener.server->GetHealthCheckService());
  door.on_phase([health = health_](Phase phase) { health->set(phase); });
  health_->start_with(door.status().phase);
}

GrpcDoor::~GrpcDoor() { shut_down(Deadline::after(std::chrono::nanoseconds(0))); }

const std::string& GrpcDoor::address() const { return server_->listener.address; }

void GrpcDoor::shut_down(Deadline deadline) {
  if (std::exchange(server_->shut, true)) return;
  health_->set(Phase::kStopped);
  health_->attach(nullptr);
  coordinator::shut_down(*server_->listener.server, deadline);
}

}  // namespace shoal::coordinator
