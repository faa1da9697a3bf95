// How a gRPC server is reached and who may call it: TLS from files that may change while it runs,
// API keys in the metadata "authorization: Bearer KEY".
#pragma once
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_context.h>

#include <memory>
#include <optional>
#include <string>

#include "runtime/coordinator/access/api_keys.h"
#include "runtime/coordinator/access/tls_files.h"

namespace shoal::coordinator {

struct GrpcAccess {
  std::optional<access::TlsFiles> tls;
  std::shared_ptr<const access::ApiKeys> keys;        // null: none is asked for
  std::shared_ptr<const access::ApiKeys> not_enough;  // known keys that may not call this server
};

// For a server on `address`. Every method needs a key where there are keys, but for
// grpc.health.v1. Without TLS keys are taken on this host only: others are cut off unheard. Throws
// Error(kUsage) when the TLS files cannot be used.
std::shared_ptr<grpc::ServerCredentials> server_credentials(const GrpcAccess& access,
                                                            const std::string& address);

// Whose key a call came with; empty where no key is asked for (keys null).
std::string owner_of(const grpc::ServerContextBase& call, const access::ApiKeys* keys);

}  // namespace shoal::coordinator
