#include "runtime/coordinator/access/tls_certificates.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "tests/unit/coordinator/access/made_certificates.h"

namespace shoal::access {
namespace {

using testing::HasSubstr;
using testing::Not;

class TlsCertificatesTest : public testing::Test {
 protected:
  TlsCertificatesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "shoal_certs_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~TlsCertificatesTest() override { std::filesystem::remove_all(folder_); }

  // What is logged about a certificate that ends in so many days.
  std::string said_of(int days) const {
    const PemFiles files = MadeAuthority(folder_, "ours").issue("server", days);
    testing::internal::CaptureStderr();
    TlsCertificates(TlsFiles{files.certificate, files.key, ""}).current();
    return testing::internal::GetCapturedStderr();
  }

  std::string folder_;
};

TEST_F(TlsCertificatesTest, WarnsSevenDaysBeforeTheEnd) {
  for (const int days : {1, 3, 6}) EXPECT_THAT(said_of(days), HasSubstr("expires in "));
  for (const int days : {8, 30}) EXPECT_THAT(said_of(days), Not(HasSubstr("expires")));
  EXPECT_THAT(said_of(-1), HasSubstr("has expired"));
}

}  // namespace
}  // namespace shoal::access
