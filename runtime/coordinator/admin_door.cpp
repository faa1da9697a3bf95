#include "runtime/coordinator/admin_door.h"

#include <grpcpp/grpcpp.h>

#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/coordinator/cluster_to_proto.h"
#include "runtime/coordinator/grpc_listener.h"
#include "runtime/coordinator/request_limits.h"
#include "runtime/coordinator/status_map.h"
#include "shoal/v1/admin_service.grpc.pb.h"

namespace shoal::coordinator {
namespace {

grpc::ServerUnaryReactor* done(grpc::CallbackServerContext* call,
                               const grpc::Status& status = grpc::Status::OK) {
  auto* reactor = call->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

class AdminServiceDoor final : public v1::AdminService::CallbackService {
 public:
  explicit AdminServiceDoor(FrontDoor& door) : door_(door) {}

  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* call,
                                  const v1::DrainRequest*,
                                  v1::DrainResponse* response) override {
    door_.close();
    log::info("an operator closed the door to new requests");
    const ClusterStatus status = door_.status();
    response->set_running(status.running);
    response->set_waiting(status.waiting);
    return done(call);
  }

  grpc::ServerUnaryReactor* Resume(grpc::CallbackServerContext* call,
                                   const v1::ResumeRequest*,
                                   v1::ResumeResponse*) override {
    door_.open();
    log::info("an operator opened the door to new requests");
    return done(call);
  }

  grpc::ServerUnaryReactor* DumpState(grpc::CallbackServerContext* call,
                                      const v1::DumpStateRequest*,
                                      v1::DumpStateResponse* response) override {
    *response->mutable_cluster() = to_proto(door_.status());
    for (const LiveRequest& request : door_.ledger().list())
      *response->add_requests() = to_proto(request);
    return done(call);
  }

  grpc::ServerUnaryReactor* SetLogLevel(grpc::CallbackServerContext* call,
                                        const v1::SetLogLevelRequest* request,
                                        v1::SetLogLevelResponse*) override {
    if (request->level() < v1::LOG_LEVEL_DEBUG || request->level() > v1::LOG_LEVEL_ERROR)
      return done(call, to_status(invalid_argument({{"level", "one of the four is needed"}})));
    log::set_level(static_cast<log::Level>(request->level() - v1::LOG_LEVEL_DEBUG));
    return done(call);
  }

  grpc::ServerUnaryReactor* FlushCache(grpc::CallbackServerContext* call,
                                       const v1::FlushCacheRequest*,
                                       v1::FlushCacheResponse* response) override {
    const ClearedCache cleared = door_.clear_cache();
    log::info("an operator cleared the prefix cache: {} texts, {} bytes",
              cleared.texts,
              grouped(cleared.bytes));
    response->set_texts(cleared.texts);
    response->set_blocks(cleared.blocks);
    response->set_bytes(cleared.bytes);
    return done(call);
  }

 private:
  FrontDoor& door_;
};

}  // namespace

struct AdminDoor::Server {
  explicit Server(FrontDoor& door) : service(door) {}
  AdminServiceDoor service;
  Listener listener;
};

AdminDoor::AdminDoor(const std::string& address, const GrpcAccess& access, FrontDoor& door)
    : server_(std::make_unique<Server>(door)) {
  grpc::ServerBuilder builder;
  builder.RegisterService(&server_->service);
  server_->listener = listen(builder, address, "--admin-port", server_credentials(access, address));
}

AdminDoor::~AdminDoor() {
  shut_down(*server_->listener.server, Deadline::after(std::chrono::nanoseconds(0)));
}

const std::string& AdminDoor::address() const { return server_->listener.address; }

}  // namespace shoal::coordinator
