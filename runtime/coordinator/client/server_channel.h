// A gRPC channel to a shoal server, with a client's key and certificates on it. For code of this
// folder and for `shoal call`.
#pragma once
#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "runtime/base/deadline.h"
#include "runtime/coordinator/client/client_access.h"

namespace shoal::client {

// "HOST:PORT" or "unix:/path". Every call on it carries the key. Throws Error: kStartup when
// nobody answers by the deadline, kUsage when a file cannot be read.
std::shared_ptr<grpc::Channel> open_channel(const std::string& address,
                                            const ClientAccess& access,
                                            Deadline deadline);

}  // namespace shoal::client
