#include "runtime/coordinator/access/tls_certificates.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/coordinator/access/file_stamp.h"

namespace shoal::access {
namespace {

[[noreturn]] void refuse(const char* what) {
  char text[160] = "";
  ERR_error_string_n(ERR_get_error(), text, sizeof(text));
  ERR_clear_error();
  throw Error(ExitCode::kUsage, fmt::format("{}: {}", what, text));
}

std::shared_ptr<SSL_CTX> load(const TlsFiles& files) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("shoal"), 5);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    refuse("--tls-cert cannot be used");
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    refuse("--tls-key cannot be used");
  if (SSL_CTX_check_private_key(context.get()) != 1)
    refuse("--tls-key does not belong to --tls-cert");
  if (!files.client_authority.empty()) {
    if (SSL_CTX_load_verify_locations(context.get(), files.client_authority.c_str(), nullptr) != 1)
      refuse("--tls-client-ca cannot be used");
    SSL_CTX_set_client_CA_list(context.get(),
                               SSL_load_client_CA_file(files.client_authority.c_str()));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

void warn_of_expiry(const SSL_CTX& context) {
  constexpr int kWarnDays = 7;
  const X509* certificate = SSL_CTX_get0_certificate(&context);
  int days = 0, seconds = 0;
  if (certificate == nullptr ||
      ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate)) != 1)
    return;
  if (days < 0 || seconds < 0)
    log::warn("the TLS certificate has expired");
  else if (days < kWarnDays)
    log::warn("the TLS certificate expires in {} days", days);
}

}  // namespace

TlsCertificates::TlsCertificates(TlsFiles files) : files_(std::move(files)) {
  stamp_ = stamp_of(files_);
  context_ = load(files_);
  warn_of_expiry(*context_);
}

std::shared_ptr<SSL_CTX> TlsCertificates::current() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < std::chrono::seconds(1)) return context_;
  looked_ = now;
  const std::string stamp = stamp_of(files_);
  if (stamp == stamp_) return context_;
  try {
    context_ = load(files_);
    stamp_ = stamp;
    log::info("a door has a new certificate");
    warn_of_expiry(*context_);
  } catch (const Error& error) {
    log::warn("a door keeps its certificate: {}", error.what());
  }
  return context_;
}

}  // namespace shoal::access
