#include "runtime/coordinator/grpc_listener.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/impl/server_builder_option.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"

namespace shoal::coordinator {
namespace {

constexpr std::string_view kUnix = "unix:";

// gRPC removes a socket file that it finds before it binds, so a second server would silently take
// the first one's place.
bool somebody_listens(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) return false;
  std::memcpy(name.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answered = connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0;
  close(fd);
  return answered;
}

std::string taken(const std::string& address, const std::string& port_flag) {
  const size_t colon = address.rfind(':');
  if (address.starts_with(kUnix))
    return fmt::format("cannot listen on {}", printable(address, 160));
  return fmt::format(
      "port {} is in use; choose another with {}", printable(address.substr(colon + 1)), port_flag);
}

class NoPlugins final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->clear();
  }
};

// gRPC writes to stderr in a form of its own; a user sees our line about the same thing.
void log_as_we_do(gpr_log_func_args* line) {
  log::debug("gRPC: {}", printable(line->message, 512));
}

}  // namespace

Listener listen(grpc::ServerBuilder& builder,
                const std::string& address,
                const std::string& port_flag,
                const std::shared_ptr<grpc::ServerCredentials>& access) {
  const bool is_unix = address.starts_with(kUnix);
  if (is_unix && somebody_listens(address.substr(kUnix.size()))) {
    throw Error(ExitCode::kUsage, fmt::format("{} is in use", printable(address, 160)));
  }
  gpr_set_log_function(log_as_we_do);
  // Without this a second server shares the port and gets half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16 << 10);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);

  int port = 0;
  builder.AddListeningPort(address, access, &port);
  Listener listener{builder.BuildAndStart(), address};
  if (!listener.server || (!is_unix && port == 0)) {
    throw Error(ExitCode::kUsage, taken(address, port_flag));
  }
  if (is_unix) {
    if (chmod(address.c_str() + kUnix.size(), 0600) != 0) {
      throw_errno(ExitCode::kUsage, "chmod " + address.substr(kUnix.size()));
    }
  } else {
    listener.address = fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
  }
  return listener;
}

void offer_nothing_else(grpc::ServerBuilder& builder) {
  builder.SetOption(std::make_unique<NoPlugins>());
}

void shut_down(grpc::Server& server, Deadline deadline) {
  const auto grace =
      std::min<std::chrono::nanoseconds>(deadline.remaining(), std::chrono::hours(1));
  server.Shutdown(std::chrono::system_clock::now() + grace);
  server.Wait();
}

}  // namespace shoal::coordinator
