#include "launch/use_server.h"

#include <csignal>

#include "launch/access_options.h"
#include "launch/open_served_model.h"
#include "launch/private_cluster.h"
#include "runtime/base/error.h"

namespace shoal::launch {
namespace {

std::atomic<bool> signal_arrived = false;

void note_signal(int) { signal_arrived = true; }

// Without SA_RESTART, so that a wait for the user's next line ends too.
void note_signals() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

}  // namespace

void ServerChoice::declare(OptionSet& options) {
  server.declare(options);
  model.declare(options);
  shape.declare(options);
}

void ServerChoice::resolve(OptionSet& options) {
  const bool has_model =
      options.origin("model") == Origin::kFlag || options.origin("hf-repo") == Origin::kFlag;
  if (has_model && options.origin("server") != Origin::kFlag) server.address.clear();
  if (!is_private()) return;
  if (!model.given())
    throw Error(ExitCode::kUsage,
                "no model: -m FILE is needed, or -hf OWNER/NAME[:QUANT], or --server HOST:PORT");
  model.validate();
  shape.resolve(options);
}

int use_server(
    const ServerChoice& choice,
    const std::function<int(client::GenerateClient&, const std::atomic<bool>& interrupted)>& work) {
  if (!choice.is_private()) {
    note_signals();
    client::GenerateClient client(choice.server.address, client_access(choice.server));
    return work(client, signal_arrived);
  }
  ClusterConfig config;
  config.model = open_served_model(choice.model.local_path(), choice.model.alias);
  config.shape = choice.shape;
  config.verbose = choice.verbose;
  return run_on_private_cluster(config, [&](Cluster& cluster) {
    client::GenerateClient client(cluster.grpc_address());
    return work(client, signal_arrived);
  });
}

}  // namespace shoal::launch
