#include "tests/unit/coordinator/access/made_certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <cstdio>
#include <filesystem>

namespace shoal::access {
namespace {

std::atomic<long> next_serial{1};

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// issuer null: signs itself.
X509* make(const std::string& name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, int days) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), next_serial++);
  const long day = 24 * 3600;
  X509_gmtime_adj(X509_getm_notBefore(certificate), days < 0 ? -10 * day : -day);
  X509_gmtime_adj(X509_getm_notAfter(certificate), days * day);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(
      subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
  X509* signer = issuer ? issuer : certificate;
  add_extension(
      certificate, signer, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
  if (issuer)
    add_extension(certificate, signer, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  X509_sign(certificate, issuer ? issuer_key : key, EVP_sha256());
  return certificate;
}

template <class Write>
void write_file(const std::string& path, Write write) {
  const std::string beside = path + ".part";
  std::FILE* file = std::fopen(beside.c_str(), "w");
  write(file);
  std::fclose(file);
  std::filesystem::rename(beside, path);
}

}  // namespace

MadeAuthority::MadeAuthority(std::string folder, const std::string& name)
    : folder_(std::move(folder)),
      path_(folder_ + "/" + name + ".ca.pem"),
      key_(EVP_EC_gen("P-256")),
      certificate_(make(name, key_, nullptr, nullptr, 3650)) {
  write_file(path_, [&](std::FILE* file) { PEM_write_X509(file, certificate_); });
}

MadeAuthority::~MadeAuthority() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

PemFiles MadeAuthority::issue(const std::string& name, int days) const {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = make(name, key, certificate_, key_, days);
  PemFiles files{folder_ + "/" + name + ".pem", folder_ + "/" + name + ".key.pem"};
  write_file(files.key, [&](std::FILE* file) {
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  write_file(files.certificate, [&](std::FILE* file) { PEM_write_X509(file, certificate); });
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

}  // namespace shoal::access
