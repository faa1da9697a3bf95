// The HTTP library behind one small interface: httplib_server.cpp is the only file that knows it.
// A thread a connection; a handler may block, and learns through its Peer when the client leaves.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/coordinator/access/tls_files.h"

namespace shoal::http {

// The connection whose request is being answered. Its thread only.
class Peer {
 public:
  enum class Woke : uint8_t { kEvent, kTimeout, kGone };
  virtual ~Peer() = default;
  // Waits for an eventfd, or until the client closed its side.
  virtual Woke wait(int event_fd, std::chrono::milliseconds timeout) = 0;
  // Inside HttpReply::stream: sends bytes of the body; false when the client is gone or has not
  // taken them for 30 s.
  virtual bool write(std::string_view bytes) = 0;
};

struct HttpRequest {
  std::string method, path, body;
  std::string authorization, request_id;  // headers of the same names
  Peer* peer = nullptr;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  // Set: the body is what it writes, in chunks, and `body` is not used. Called once.
  std::function<void(Peer&)> stream;
};

using HttpHandler = std::function<HttpReply(const HttpRequest&)>;

struct HttpRoute {
  std::string method, path;
  HttpHandler handler;
  bool needs_key = true;        // false: answered to anybody
  bool even_when_full = false;  // answered on connections beyond max_connections too
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;               // 0: any
  int max_connections = 512;  // each holds a thread; those beyond get 503
  size_t max_header_bytes = 32 << 10;
  size_t max_body_bytes = size_t{16} << 20;
  std::chrono::milliseconds header_time{10'000}, body_time{60'000}, keep_alive{30'000};
  std::optional<access::TlsFiles> tls;
  std::vector<HttpRoute> routes;
  // Whether a request may go on; asked before its body is read. Empty reply: it may.
  std::function<std::optional<HttpReply>(const HttpRequest&)> admit;
  // Bodies of what no route answers: status, message, code.
  std::function<HttpReply(int, const std::string&, const std::string&)> refuse;
};

class HttpServer {
 public:
  // Listens at once. Throws Error(kUsage) when the port is taken, when the TLS files cannot be
  // used, or when this build has no HTTP.
  explicit HttpServer(HttpServerOptions options);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;
  // Handlers that still run are waited for: end their streams first.
  void stop();

 private:
  class Library;
  std::unique_ptr<Library> library_;
};

}  // namespace shoal::http
