#include "runtime/coordinator/client/server_channel.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_interceptor.h>

#include <fstream>
#include <iterator>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::client {
namespace {

constexpr int kMaxResponseBytes = 64 << 20;

// gRPC attaches call credentials to secure channels only; a server on this host asks for keys
// without TLS too.
class KeySender final : public grpc::experimental::Interceptor {
 public:
  explicit KeySender(const std::string& key) : value_("Bearer " + key) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* call) override {
    using Points = grpc::experimental::InterceptionHookPoints;
    if (call->QueryInterceptionHookPoint(Points::PRE_SEND_INITIAL_METADATA))
      call->GetSendInitialMetadata()->emplace("authorization", value_);
    call->Proceed();
  }

 private:
  std::string value_;
};

class KeySenderFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit KeySenderFactory(std::string key) : key_(std::move(key)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo*) override {
    return new KeySender(key_);
  }

 private:
  std::string key_;
};

std::string read_file(const std::string& path) {
  if (path.empty()) return "";
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file || text.empty())
    throw Error(ExitCode::kUsage, fmt::format("cannot read {}", printable(path, 160)));
  return text;
}

std::shared_ptr<grpc::ChannelCredentials> credentials(const ClientAccess& access) {
  if (!access.uses_tls()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = read_file(access.authority);
  options.pem_cert_chain = read_file(access.certificate);
  options.pem_private_key = read_file(access.key);
  return grpc::SslCredentials(options);
}

}  // namespace

std::shared_ptr<grpc::Channel> open_channel(const std::string& address,
                                            const ClientAccess& access,
                                            Deadline deadline) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxResponseBytes);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  if (!access.api_key.empty())
    interceptors.push_back(std::make_unique<KeySenderFactory>(access.api_key));
  auto channel = grpc::experimental::CreateCustomChannelWithInterceptors(
      address, credentials(access), arguments, std::move(interceptors));
  const auto patience =
      std::min<std::chrono::nanoseconds>(deadline.remaining(), std::chrono::hours(24));
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + patience)) {
    throw Error(ExitCode::kStartup,
                fmt::format("cannot reach a shoal server at {}", printable(address, 120)));
  }
  return channel;
}

}  // namespace shoal::client
