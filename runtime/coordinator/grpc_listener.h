// A gRPC server on one address of this host. Shared by the public door and the control door; the
// limits of security matter for both: metadata, streams a connection, keepalive.
#pragma once
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "runtime/base/deadline.h"

namespace shoal::coordinator {

struct Listener {
  std::unique_ptr<grpc::Server> server;
  std::string address;  // as given; a port 0 replaced by the one that was found
};

// address: "unix:/path" or "127.0.0.1:port". The builder has its services already. Throws
// Error(kUsage) when the address is taken, naming `port_flag` as the way out. A Unix socket is
// readable by its owner only.
Listener listen(
    grpc::ServerBuilder& builder,
    const std::string& address,
    const std::string& port_flag,
    const std::shared_ptr<grpc::ServerCredentials>& access = grpc::InsecureServerCredentials());

// A server that offers its own services and nothing beside them. Reflection comes with the library,
// unasked, into every server of the process that does not say so.
void offer_nothing_else(grpc::ServerBuilder& builder);

// The server's threads are gone afterwards; calls that still run at the deadline are cancelled.
void shut_down(grpc::Server& server, Deadline deadline);

}  // namespace shoal::coordinator
