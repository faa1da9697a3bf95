#include "runtime/coordinator/grpc_credentials.h"

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "runtime/coordinator/access/tls_certificates.h"

namespace shoal::coordinator {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kHealth = "/grpc.health.v1.Health/";
constexpr unsigned kLookSeconds = 1;  // how often the files are looked at

std::string_view key_in(const grpc::string_ref& authorization) {
  std::string_view key(authorization.data(), authorization.size());
  if (key.starts_with(kBearer)) key.remove_prefix(kBearer.size());
  return key;
}

class KeyCheck final : public grpc::AuthMetadataProcessor {
 public:
  explicit KeyCheck(const GrpcAccess& access)
      : keys_(access.keys), not_enough_(access.not_enough) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata,
                       grpc::AuthContext*,
                       OutputMetadata*,
                       OutputMetadata*) override {
    const auto path = metadata.find(":path");
    if (path != metadata.end() && path->second.starts_with({kHealth.data(), kHealth.size()}))
      return grpc::Status::OK;
    const auto found = metadata.find("authorization");
    if (found == metadata.end())
      return {grpc::StatusCode::UNAUTHENTICATED, "an API key is needed: authorization: Bearer KEY"};
    const std::string_view key = key_in(found->second);
    if (keys_->owner(key)) return grpc::Status::OK;
    if (not_enough_ && not_enough_->owner(key))
      return {grpc::StatusCode::PERMISSION_DENIED, "this API key may not call this service"};
    return {grpc::StatusCode::UNAUTHENTICATED, "the API key is not known"};
  }

 private:
  std::shared_ptr<const access::ApiKeys> keys_, not_enough_;
};

std::shared_ptr<grpc::ServerCredentials> tls_credentials(const access::TlsFiles& files) {
  namespace tls = grpc::experimental;
  const access::TlsCertificates check(files);  // gRPC would take bad files and refuse every client
  const bool mutual = !files.client_authority.empty();
  const auto provider =
      mutual ? std::make_shared<tls::FileWatcherCertificateProvider>(
                   files.key, files.certificate, files.client_authority, kLookSeconds)
             : std::make_shared<tls::FileWatcherCertificateProvider>(
                   files.key, files.certificate, kLookSeconds);
  tls::TlsServerCredentialsOptions options(provider);
  options.watch_identity_key_cert_pairs();
  if (mutual) options.watch_root_certs();
  options.set_cert_request_type(mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return tls::TlsServerCredentials(options);
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> server_credentials(const GrpcAccess& access,
                                                            const std::string& address) {
  const auto credentials = access.tls     ? tls_credentials(*access.tls)
                           : !access.keys ? grpc::InsecureServerCredentials()
                           : address.starts_with("unix:")
                               ? grpc::experimental::LocalServerCredentials(UDS)
                               // Nothing on the wire tells these from a plain connection.
                               : grpc::experimental::LocalServerCredentials(LOCAL_TCP);
  if (access.keys) credentials->SetAuthMetadataProcessor(std::make_shared<KeyCheck>(access));
  return credentials;
}

// gRPC's AuthContext belongs to the connection, which calls with different keys may share; the
// call's own metadata does not.
std::string owner_of(const grpc::ServerContextBase& call, const access::ApiKeys* keys) {
  const auto found = call.client_metadata().find("authorization");
  if (keys == nullptr || found == call.client_metadata().end()) return "";
  return keys->owner(key_in(found->second)).value_or("");
}

}  // namespace shoal::coordinator
