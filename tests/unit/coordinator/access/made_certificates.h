// Certificates for tests, made when they are asked for: an authority, and leaves that it signed for
// 127.0.0.1 and localhost. PEM files in a folder of their own.
#pragma once
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace shoal::access {

struct PemFiles {
  std::string certificate, key;
};

class MadeAuthority {
 public:
  // Writes FOLDER/NAME.ca.pem.
  MadeAuthority(std::string folder, const std::string& name);
  ~MadeAuthority();
  MadeAuthority(const MadeAuthority&) = delete;
  MadeAuthority& operator=(const MadeAuthority&) = delete;

  const std::string& path() const { return path_; }
  // FOLDER/NAME.pem and FOLDER/NAME.key.pem, put in place of older ones at once. days < 0: expired.
  PemFiles issue(const std::string& name, int days = 30) const;

 private:
  std::string folder_, path_;
  EVP_PKEY* key_;
  X509* certificate_;
};

}  // namespace shoal::access
