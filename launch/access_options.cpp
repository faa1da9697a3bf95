#include "launch/access_options.h"

#include <arpa/inet.h>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::launch {
namespace {

bool is_address(const std::string& host) {
  in6_addr parsed{};
  return inet_pton(AF_INET, host.c_str(), &parsed) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

}  // namespace

void AccessOptions::declare(OptionSet& options) {
  options.group("Access");
  options.add("--host", host, "Address to listen on; beyond loopback with TLS and keys only");
  options.add("--api-key-file",
              api_key_file,
              "API keys, one a line, NAME KEY or NAME KEY WEIGHT; mode 0600");
  options.add("--tls-cert,--ssl-cert-file", tls_cert, "Certificate chain (PEM) of both doors");
  options.add("--tls-key,--ssl-key-file", tls_key, "Its private key (PEM)");
  options.add("--tls-client-ca", tls_client_ca, "Authority (PEM) that must have signed clients");
  options.add_switch("--insecure", insecure, "Listen beyond loopback without TLS or keys");
}

bool AccessOptions::is_loopback() const {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

void AccessOptions::validate() const {
  if (host != "localhost" && !is_address(host))
    throw Error(ExitCode::kUsage,
                fmt::format("--host {}: not an address of this host, like 127.0.0.1 or 0.0.0.0",
                            printable(host)));
  if (tls_cert.empty() != tls_key.empty())
    throw Error(ExitCode::kUsage, "--tls-cert and --tls-key go together");
  if (!tls_client_ca.empty() && tls_cert.empty())
    throw Error(ExitCode::kUsage, "--tls-client-ca needs --tls-cert and --tls-key");
  if (is_loopback()) return;
  if (tls_cert.empty() && !api_key_file.empty())
    throw Error(ExitCode::kUsage,
                fmt::format("--host {}: API keys would travel in plain text; add --tls-cert and "
                            "--tls-key",
                            host));
  if (insecure) return;
  if (tls_cert.empty())
    throw Error(
        ExitCode::kUsage,
        fmt::format("--host {}: beyond loopback TLS is needed: add --tls-cert and --tls-key "
                    "(or --insecure: anybody on the way could read every prompt)",
                    host));
  if (api_key_file.empty() && tls_client_ca.empty())
    throw Error(ExitCode::kUsage,
                fmt::format("--host {}: beyond loopback callers must be known: add --api-key-file "
                            "or --tls-client-ca (or --insecure: anybody could use the server)",
                            host));
}

std::optional<access::TlsFiles> AccessOptions::tls() const {
  if (tls_cert.empty()) return std::nullopt;
  return access::TlsFiles{tls_cert, tls_key, tls_client_ca};
}

std::shared_ptr<const access::ApiKeys> AccessOptions::read_keys() const {
  if (api_key_file.empty()) return nullptr;
  return std::make_shared<const access::ApiKeys>(access::ApiKeys::read(api_key_file));
}

std::string AccessOptions::risk() const {
  if (!insecure || is_loopback()) return "";
  const bool open = api_key_file.empty() && tls_client_ca.empty();
  std::string risk;
  if (tls_cert.empty())
    risk = "anybody on the network path can read and change prompts and answers";
  if (open) risk += std::string(risk.empty() ? "" : "; ") + "anybody who reaches it can use it";
  return risk;
}

client::ClientAccess client_access(const ServerAddress& server) {
  client::ClientAccess access;
  if (!server.api_key_file.empty()) access.api_key = access::read_one_key(server.api_key_file);
  access.tls = server.tls;
  access.authority = server.tls_authority;
  access.certificate = server.tls_cert;
  access.key = server.tls_key;
  if (access.certificate.empty() != access.key.empty())
    throw Error(ExitCode::kUsage, "--tls-cert and --tls-key go together");
  return access;
}

}  // namespace shoal::launch
