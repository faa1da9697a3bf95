#include "loader/hub/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "runtime/base/check.h"

namespace shoal::hub {

struct Sha256::State {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(digest); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) { reset(); }
Sha256::~Sha256() = default;

void Sha256::reset() {
  const int done = EVP_DigestInit_ex(state_->digest, EVP_sha256(), nullptr);
  SHOAL_ASSERT(done == 1, "{}", done);
}

void Sha256::add(std::span<const std::byte> bytes) {
  const int done = EVP_DigestUpdate(state_->digest, bytes.data(), bytes.size());
  SHOAL_ASSERT(done == 1, "{}", done);
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  const int done = EVP_DigestFinal_ex(state_->digest, bytes.data(), &size);
  SHOAL_ASSERT(done == 1 && size == 32, "{} {}", done, size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

}  // namespace shoal::hub
