#include "runtime/coordinator/access/job_certificates.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "runtime/base/error.h"

namespace shoal::access {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Memory = std::unique_ptr<BIO, Freed<BIO_free_all>>;

// Hosts' clocks differ. The end matters little: nothing is signed by this authority after the
// launch, and a job may start ranks anew years later.
constexpr long kEarlySeconds = 24 * 3600;
constexpr long kLateSeconds = 10L * 365 * 24 * 3600;

void check(bool fine, const char* what) {
  if (fine) return;
  char text[160] = "";
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  ERR_clear_error();
  throw Error(ExitCode::kUnexpected,
              fmt::format("the job's certificates cannot be made: {}: {}", what, text));
}

Key make_key() {
  Key key(EVP_EC_gen("P-256"));
  check(key != nullptr, "EVP_EC_gen");
  return key;
}

void add_extension(X509& certificate, X509& issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  check(extension != nullptr, value.c_str());
  const bool added = X509_add_ext(&certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  check(added, value.c_str());
}

void set_random_serial(X509& certificate) {
  BIGNUM* number = BN_new();
  const bool set = number != nullptr && BN_rand(number, 120, BN_RAND_TOP_ONE, 0) == 1 &&
                   BN_to_ASN1_INTEGER(number, X509_get_serialNumber(&certificate)) != nullptr;
  BN_free(number);
  check(set, "serial number");
}

struct Signer {
  X509* certificate;  // null: the certificate signs itself
  EVP_PKEY* key;
};

// What a certificate of ours may be: none is an authority but the first.
Certificate make_certificate(const char* name,
                             EVP_PKEY& key,
                             const Signer& signer,
                             const std::vector<std::pair<int, std::string>>& extensions) {
  Certificate made(X509_new());
  check(made != nullptr, "X509_new");
  X509_set_version(made.get(), 2);
  set_random_serial(*made);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -kEarlySeconds);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), kLateSeconds);
  X509_set_pubkey(made.get(), &key);
  X509_NAME* subject = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(
      subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509* issuer = signer.certificate != nullptr ? signer.certificate : made.get();
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer));
  for (const auto& [nid, value] : extensions) add_extension(*made, *issuer, nid, value);
  check(X509_sign(made.get(), signer.key, EVP_sha256()) > 0, "X509_sign");
  return made;
}

std::string text_in(BIO& memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&memory, &data);
  return {data, static_cast<size_t>(size)};
}

std::string pem(X509& certificate) {
  const Memory memory(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_X509(memory.get(), &certificate) == 1, "PEM_write_bio_X509");
  return text_in(*memory);
}

std::string pem(EVP_PKEY& key) {
  const Memory memory(BIO_new(BIO_s_secmem()));
  check(PEM_write_bio_PrivateKey(memory.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "PEM_write_bio_PrivateKey");
  return text_in(*memory);
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    in6_addr parsed{};
    const bool is_address = inet_pton(AF_INET, name.c_str(), &parsed) == 1 ||
                            inet_pton(AF_INET6, name.c_str(), &parsed) == 1;
    list += fmt::format("{}{}:{}", list.empty() ? "" : ",", is_address ? "IP" : "DNS", name);
  }
  return list;
}

}  // namespace

JobCertificates make_job_certificates(const std::vector<std::string>& names) {
  const Key authority_key = make_key(), coordinator_key = make_key(), worker_key = make_key();
  const Certificate authority =
      make_certificate("shoal job",
                       *authority_key,
                       {nullptr, authority_key.get()},
                       {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                        {NID_key_usage, "critical,keyCertSign"},
                        {NID_subject_key_identifier, "hash"}});
  const Signer signer{authority.get(), authority_key.get()};
  const std::pair<int, std::string> no_authority{NID_basic_constraints, "critical,CA:FALSE"};
  const std::pair<int, std::string> signs{NID_key_usage, "critical,digitalSignature"};
  const Certificate coordinator =
      make_certificate("shoal coordinator",
                       *coordinator_key,
                       signer,
                       {no_authority,
                        signs,
                        {NID_ext_key_usage, "serverAuth"},
                        {NID_authority_key_identifier, "keyid"},
                        {NID_subject_alt_name, alternative_names(names)}});
  const Certificate worker = make_certificate("shoal worker",
                                              *worker_key,
                                              signer,
                                              {no_authority,
                                               signs,
                                               {NID_ext_key_usage, "clientAuth"},
                                               {NID_authority_key_identifier, "keyid"}});
  const std::string root = pem(*authority);
  return {{root, pem(*coordinator), pem(*coordinator_key)}, {root, pem(*worker), pem(*worker_key)}};
}

}  // namespace shoal::access
