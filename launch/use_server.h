// The command's way to a server: a running one behind --server, or a private cluster of its own.
#pragma once
#include <atomic>
#include <functional>

#include "launch/options.h"
#include "runtime/coordinator/client/generate_client.h"

namespace shoal::launch {

struct ServerChoice {
  ServerAddress server;
  ModelOptions model;
  ClusterOptions shape;
  bool verbose = false;

  void declare(OptionSet& options);
  // -m beside a SHOAL_SERVER of the environment means a private cluster.
  void resolve(OptionSet& options);
  bool is_private() const { return server.address.empty(); }
};

// Main thread, before any other thread exists. `interrupted` is set by SIGINT and SIGTERM while a
// running server is used; a private cluster is then stopped, and streams on it fail.
int use_server(
    const ServerChoice& choice,
    const std::function<int(client::GenerateClient&, const std::atomic<bool>& interrupted)>& work);

}  // namespace shoal::launch
