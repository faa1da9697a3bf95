// Clients that take their time: headers, bodies and TLS handshakes that never end are cut off,
// though bytes keep coming, and others are served meanwhile.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "runtime/coordinator/http/http_server.h"
#include "tests/unit/coordinator/access/made_certificates.h"
#include "tests/unit/coordinator/http/plain_client.h"

namespace shoal::http {
namespace {

using namespace std::chrono_literals;

HttpServerOptions impatient() {
  HttpServerOptions options;
  options.header_time = options.body_time = 400ms;
  HttpReply fine;
  fine.body = "{}";
  options.routes = {{"GET", "/fine", [fine](const HttpRequest&) { return fine; }},
                    {"POST", "/fine", [fine](const HttpRequest&) { return fine; }}};
  options.refuse = [](int status, const std::string& message, const std::string&) {
    HttpReply reply;
    reply.status = status;
    reply.body = message;
    return reply;
  };
  return options;
}

// Sends `begin`, then `more` again and again; what came back by the time the server closed.
std::string trickle(int port, const std::string& begin, const std::string& more) {
  PlainConnection client(port);
  client.send(begin);
  auto reply = std::async(std::launch::async, [&] { return client.read_all(); });
  while (reply.wait_for(20ms) != std::future_status::ready) client.send(more);
  return reply.get();
}

class SlowClientsTest : public testing::Test {
 protected:
  HttpServer server_{impatient()};
};

TEST_F(SlowClientsTest, HeadersThatNeverEnd) {
  auto slow = std::async(std::launch::async, [&] {
    return trickle(server_.port(), "GET /fine HTTP/1.1\r\nHost: x\r\n", "X: y\r\n");
  });
  while (slow.wait_for(10ms) != std::future_status::ready)
    EXPECT_EQ(get(server_.port(), "/fine").status, 200);
  EXPECT_EQ(slow.get().find("200 OK"), std::string::npos);
}

TEST_F(SlowClientsTest, ABodyThatNeverEnds) {
  const std::string head = "POST /fine HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(trickle(server_.port(), head + "Content-Length: 100000\r\n\r\n", " ").find("200 OK"),
            std::string::npos);
  EXPECT_EQ(trickle(server_.port(), head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n")
                .find("200 OK"),
            std::string::npos);
  EXPECT_EQ(get(server_.port(), "/fine").status, 200);
}

TEST(SlowHandshake, IsCutOff) {
  std::string folder = (std::filesystem::temp_directory_path() / "shoal_slow_XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  {
    const access::MadeAuthority authority(folder, "ours");
    const auto files = authority.issue("server");
    HttpServerOptions options = impatient();
    options.tls = access::TlsFiles{files.certificate, files.key, ""};
    HttpServer server(options);
    PlainConnection silent(server.port());
    EXPECT_EQ(silent.read_all(), "");  // returns, so the server closed
    // A record's head that promises 512 bytes, and one byte.
    PlainConnection begun(server.port());
    begun.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
    begun.read_all();
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shoal::http
