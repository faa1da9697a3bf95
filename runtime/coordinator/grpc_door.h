// The public gRPC door: the services of shoal.v1, grpc.health.v1 and reflection, on one address of
// this host.
#pragma once
#include <memory>
#include <string>

#include "runtime/base/deadline.h"
#include "runtime/coordinator/grpc_credentials.h"
#include "runtime/coordinator/request_door.h"
#include "runtime/coordinator/request_ledger.h"

namespace shoal::coordinator {

struct GrpcDoorOptions {
  std::string address;  // "unix:/path" or "127.0.0.1:port" (0: any)
  bool reflection = true;
  GrpcAccess access;
  const RequestLedger* ledger = nullptr;  // must outlive the door; null: requests have no owners
};

// Health of "": SERVING while requests are taken (NOT_SERVING from draining on). Health of
// "shoal.v1.InferenceService": SERVING only in Phase::kServing.
class GrpcDoor {
 public:
  // Listens at once. The door must outlive it, and calls its phase callback into it at any time,
  // even later. Throws Error(kUsage) when the address is taken.
  GrpcDoor(GrpcDoorOptions options, RequestDoor& door);
  ~GrpcDoor();  // shuts down at once
  GrpcDoor(const GrpcDoor&) = delete;
  GrpcDoor& operator=(const GrpcDoor&) = delete;

  const std::string& address() const;

  // No new calls; running ones may end until the deadline, then they are cancelled.
  void shut_down(Deadline deadline);

 private:
  class Health;
  struct Server;
  std::shared_ptr<Health> health_;
  std::unique_ptr<Server> server_;
};

}  // namespace shoal::coordinator
