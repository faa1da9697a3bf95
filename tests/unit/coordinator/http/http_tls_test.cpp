// The HTTP door over TLS, against OpenSSL's own client.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "runtime/base/deadline.h"
#include "runtime/base/error.h"
#include "runtime/coordinator/http/http_door.h"
#include "tests/unit/coordinator/access/made_certificates.h"
#include "tests/unit/coordinator/fake_request_door.h"
#include "tests/unit/coordinator/http/plain_client.h"

namespace shoal::http {
namespace {

struct TlsClient {
  std::string authority;
  access::PemFiles certificate;
  int max_version = 0;  // 0: the library's best
};

// The whole reply to `request`, "" where the handshake or the reply failed.
std::string exchange(int port, const TlsClient& client, const std::string& request) {
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                       SSL_CTX_free);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_load_verify_locations(context.get(), client.authority.c_str(), nullptr);
  if (client.max_version != 0) {
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_max_proto_version(context.get(), client.max_version);
  }
  if (!client.certificate.certificate.empty()) {
    SSL_CTX_use_certificate_file(
        context.get(), client.certificate.certificate.c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context.get(), client.certificate.key.c_str(), SSL_FILETYPE_PEM);
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string reply;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), SSL_free);
  SSL_set_fd(ssl.get(), fd);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0 &&
      SSL_connect(ssl.get()) == 1 &&
      SSL_write(ssl.get(), request.data(), static_cast<int>(request.size())) > 0) {
    char buffer[4096];
    for (int n; (n = SSL_read(ssl.get(), buffer, sizeof(buffer))) > 0;)
      reply.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return reply;
}

constexpr const char* kHealth = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

class HttpTlsTest : public testing::Test {
 protected:
  HttpTlsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "shoal_tls_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~HttpTlsTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<HttpDoor> open(const access::PemFiles& files, const std::string& client_ca) {
    HttpDoorOptions options;
    options.tls = access::TlsFiles{files.certificate, files.key, client_ca};
    return std::make_unique<HttpDoor>(options, fake_, metrics_);
  }

  std::string folder_;
  coordinator::FakeRequestDoor fake_;
  coordinator::RequestMetrics metrics_;
};

TEST_F(HttpTlsTest, ServesAndRefusesOldVersionsAndPlainText) {
  const access::MadeAuthority authority(folder_, "ours"), other(folder_, "other");
  const auto door = open(authority.issue("server"), "");
  const TlsClient client{authority.path(), {}};
  EXPECT_EQ(parse_reply(exchange(door->port(), client, kHealth)).status, 200);
  TlsClient second = client;
  second.max_version = TLS1_2_VERSION;
  EXPECT_EQ(parse_reply(exchange(door->port(), second, kHealth)).status, 200);
  second.max_version = TLS1_1_VERSION;
  EXPECT_EQ(exchange(door->port(), second, kHealth), "");
  EXPECT_EQ(exchange(door->port(), {other.path(), {}}, kHealth), "");
  EXPECT_EQ(get(door->port(), "/health").status, 0);
}

TEST_F(HttpTlsTest, AsksForClientCertificates) {
  const access::MadeAuthority authority(folder_, "ours"), other(folder_, "other");
  const auto door = open(authority.issue("server"), authority.path());
  const auto with = [&](const access::PemFiles& pem) {
    return parse_reply(exchange(door->port(), {authority.path(), pem}, kHealth)).status;
  };
  EXPECT_EQ(with(authority.issue("client")), 200);
  EXPECT_EQ(with({}), 0);
  EXPECT_EQ(with(other.issue("stranger")), 0);
  EXPECT_EQ(with(authority.issue("old", -1)), 0);
}

TEST_F(HttpTlsTest, StreamsWhileCertificatesChange) {
  const access::MadeAuthority before(folder_, "before"), after(folder_, "after");
  const auto door = open(before.issue("server"), "");
  auto reply = std::async(std::launch::async, [&] {
    return exchange(door->port(),
                    {before.path(), {}},
                    post_text("/v1/completions", R"({"prompt": "a", "stream": true})"));
  });
  const auto submission = fake_.submission(0);
  ASSERT_NE(submission.sink, nullptr);
  after.issue("server");
  const Deadline deadline = Deadline::after(std::chrono::seconds(20));
  int status = 0;
  while (status != 200 && !deadline.passed()) {
    usleep(50'000);
    status = parse_reply(exchange(door->port(), {after.path(), {}}, kHealth)).status;
  }
  EXPECT_EQ(status, 200);
  play(submission, "x");
  EXPECT_NE(reply.get().find("[DONE]"), std::string::npos);
}

}  // namespace
}  // namespace shoal::http
