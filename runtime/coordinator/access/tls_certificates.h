// A door's certificate, key and client authority as an OpenSSL context, made
// anew when the files change. Connections that run keep the one they began with. Any thread.
#pragma once
#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/coordinator/access/tls_files.h"

namespace shoal::access {

class TlsCertificates {
 public:
  // Throws Error(kUsage) when the files cannot be used.
  explicit TlsCertificates(TlsFiles files);

  // Looks at the files at most once a second; files that cannot be used are logged, and the last
  // good ones stay.
  std::shared_ptr<SSL_CTX> current();

 private:
  const TlsFiles files_;
  std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;
  std::string stamp_;
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace shoal::access
