// Who may reach a server and how: the address it listens on, TLS files, API keys; and the client's
// side of the same. Beyond loopback a server wants both secrecy and a check of who calls; what it
// may do without is said by --insecure only.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "launch/options.h"
#include "runtime/coordinator/access/api_keys.h"
#include "runtime/coordinator/access/tls_files.h"
#include "runtime/coordinator/client/client_access.h"

namespace shoal::launch {

struct AccessOptions {
  std::string host = "127.0.0.1", api_key_file, tls_cert, tls_key, tls_client_ca;
  bool insecure = false;

  void declare(OptionSet& options);
  // Refuses half a pair of TLS files, names that are no address, and an open door. Throws Error.
  void validate() const;

  bool is_loopback() const;
  std::optional<access::TlsFiles> tls() const;
  std::shared_ptr<const access::ApiKeys> read_keys() const;  // null without a file
  // What --insecure leaves open; empty where nothing is.
  std::string risk() const;
};

// The client's side. Reads the key file; throws Error(kUsage).
client::ClientAccess client_access(const ServerAddress& server);

}  // namespace shoal::launch
