// The HTTP server over Debian's cpp-httplib 0.11. Its connection loop is replaced by ours, because
// the library bounds neither headers nor chunked bodies nor slow clients, and tells a handler
// nothing of a client that leaves.
#include <fmt/format.h>
#include <httplib.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <limits>
#include <thread>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/coordinator/access/tls_certificates.h"
#include "runtime/coordinator/http/connection.h"
#include "runtime/coordinator/http/connection_threads.h"
#include "runtime/coordinator/http/http_server.h"

namespace shoal::http {
namespace {

constexpr int kReserve = 16;  // connections beyond the limit that still get an answer

class ConnectionPeer final : public Peer {
 public:
  explicit ConnectionPeer(Connection& connection) : connection_(connection) {}

  Woke wait(int event_fd, std::chrono::milliseconds timeout) override {
    pollfd watched[2] = {{event_fd, POLLIN, 0}, {connection_.socket(), POLLRDHUP, 0}};
    if (poll(watched, 2, static_cast<int>(timeout.count())) <= 0) return Woke::kTimeout;
    return watched[1].revents != 0 ? Woke::kGone : Woke::kEvent;
  }
  bool write(std::string_view bytes) override {
    return sink_ != nullptr && sink_->write(bytes.data(), bytes.size());
  }
  void write_to(httplib::DataSink* sink) { sink_ = sink; }

 private:
  Connection& connection_;
  httplib::DataSink* sink_ = nullptr;
};

// What this thread is answering. The library hands its handlers neither the stream nor the server.
struct Current {
  Connection* connection = nullptr;
  ConnectionPeer* peer = nullptr;
  bool over_limit = false, close_after = false;
};
thread_local Current current;

void fill(httplib::Response& response, HttpReply reply) {
  response.status = reply.status;
  for (const auto& [name, value] : reply.headers) response.set_header(name.c_str(), value.c_str());
  if (!reply.stream) {
    response.set_content(reply.body, reply.content_type);
    return;
  }
  response.set_chunked_content_provider(
      reply.content_type,
      [peer = current.peer, stream = std::move(reply.stream)](size_t, httplib::DataSink& sink) {
        peer->write_to(&sink);
        stream(*peer);
        peer->write_to(nullptr);
        sink.done();
        return true;
      });
}

HttpRequest from_library(const httplib::Request& request) {
  HttpRequest out;
  out.method = request.method == "HEAD" ? "GET" : request.method;
  out.path = request.path;
  out.body = request.body;
  out.authorization = request.get_header_value("Authorization");
  out.request_id = request.get_header_value("X-Request-Id");
  out.peer = current.peer;
  return out;
}

}  // namespace

class HttpServer::Library final : public httplib::Server {
 public:
  explicit Library(HttpServerOptions options) : options_(std::move(options)) {
    if (options_.tls) tls_.emplace(*options_.tls);
    const auto threads = static_cast<size_t>(options_.max_connections + kReserve);
    new_task_queue = [threads] { return new ConnectionThreads(threads); };
    set_payload_max_length(options_.max_body_bytes);
    // The library's default shares the port with whoever has it (SO_REUSEPORT).
    set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return before_body(request, response);
    });
    for (const HttpRoute& route : options_.routes)
      if (route.method == "POST")
        Post(route.path, [this, &route](const httplib::Request& request, httplib::Response& reply) {
          answer(route, request, reply);
        });
    set_error_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (response.body.empty()) fill(response, unrouted(request, response.status));
    });
    listen_now();
  }

  ~Library() override { stop_serving(); }

  int port() const { return port_; }

  void stop_serving() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    stop();
    thread_.join();
  }

 private:
  void listen_now() {
    port_ = options_.port == 0 ? bind_to_any_port(options_.host) : options_.port;
    if (options_.port == 0 ? port_ <= 0 : !bind_to_port(options_.host, options_.port)) {
      throw Error(ExitCode::kUsage,
                  fmt::format("port {} of {} is in use, or the address is not this host's; choose "
                              "another with --http-port",
                              options_.port,
                              printable(options_.host)));
    }
    thread_ = std::thread([this] { listen_after_bind(); });
    // stop() does nothing to a server that does not run yet.
    const Deadline deadline = Deadline::after(std::chrono::seconds(5));
    while (!is_running() && !deadline.passed())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  const HttpRoute* find(const std::string& method, const std::string& path) const {
    for (const HttpRoute& route : options_.routes)
      if (route.method == method && (route.path == path || is_below(path, route.path)))
        return &route;
    return nullptr;
  }

  static uint64_t content_length(const httplib::Request& request) {
    const std::string text = request.get_header_value("Content-Length");
    uint64_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole ? length : std::numeric_limits<uint64_t>::max();
  }

  // A route "/v1/models/" answers for what lies below it.
  static bool is_below(const std::string& path, const std::string& prefix) {
    return prefix.size() > 1 && prefix.ends_with('/') && path.size() > prefix.size() &&
           path.starts_with(prefix);
  }

  // Routes without a body are answered here; the others only let in, and then read.
  HandlerResponse before_body(const httplib::Request& request, httplib::Response& response) {
    // A body that stays unread would be taken for the next request.
    current.close_after = true;
    const HttpRequest plain = from_library(request);
    const HttpRoute* route = find(plain.method, plain.path);
    const auto handled = [&](HttpReply reply) {
      reply.headers.emplace_back("Connection", "close");
      fill(response, std::move(reply));
      return HandlerResponse::Handled;
    };
    if (current.over_limit && (route == nullptr || !route->even_when_full)) {
      HttpReply full = options_.refuse(503, "too many connections", "too_many_connections");
      full.headers.emplace_back("Retry-After", "1");
      return handled(std::move(full));
    }
    if (options_.admit && (route == nullptr || route->needs_key))
      if (auto refusal = options_.admit(plain)) return handled(std::move(*refusal));
    if (route == nullptr) return handled(unrouted(request, 404));
    if (route->method == "GET") {
      current.close_after = request.has_header("Content-Length") ||
                            request.has_header("Transfer-Encoding") || current.over_limit;
      answer(*route, request, response);
      return HandlerResponse::Handled;
    }
    if (request.has_header("Content-Encoding"))
      return handled(options_.refuse(
          415, "Content-Encoding: send the body as it is", "unsupported_content_encoding"));
    // The library would read a body that is too long to its end before it refuses it.
    if (request.has_header("Content-Length") && content_length(request) > options_.max_body_bytes)
      return handled(unrouted(request, 413));
    current.close_after = false;
    current.connection->allow(options_.max_body_bytes + options_.max_header_bytes,
                              Deadline::after(options_.body_time));
    return HandlerResponse::Unhandled;
  }

  void answer(const HttpRoute& route,
              const httplib::Request& request,
              httplib::Response& response) {
    try {
      fill(response, route.handler(from_library(request)));
    } catch (const std::exception& error) {
      log::error("{} failed: {}", route.path, printable(error.what(), 512));
      fill(response, options_.refuse(500, "the server failed on this request", "internal_error"));
    }
  }

  HttpReply unrouted(const httplib::Request& request, int status) const {
    if (status == 404) {
      for (const char* other : {"GET", "POST"})
        if (find(other, request.path) != nullptr) {
          HttpReply reply =
              options_.refuse(405,
                              fmt::format("{} takes {}", printable(request.path), other),
                              "method_not_allowed");
          reply.headers.emplace_back("Allow", other);
          return reply;
        }
      return options_.refuse(
          404,
          fmt::format(
              "{} {} is not served here", printable(request.method, 16), printable(request.path)),
          "not_found");
    }
    current.close_after = true;
    if (status == 413)
      return options_.refuse(
          413,
          fmt::format("the body is larger than {} bytes", options_.max_body_bytes),
          "request_too_large");
    return options_.refuse(status, fmt::format("HTTP {}", status), "bad_request");
  }

  // In place of the library's own loop.
  bool process_and_close_socket(socket_t socket) override {
    const int before = num_connections_.fetch_add(1);
    {
      const auto tls = tls_ ? tls_->current() : nullptr;
      Connection connection(socket, tls.get());
      current = {&connection, nullptr, before >= options_.max_connections, false};
      if (connection.handshake(Deadline::after(options_.header_time))) serve(connection);
      current = {};
    }
    --num_connections_;
    return true;
  }

  void serve(Connection& connection) {
    Deadline wait = Deadline::after(options_.header_time);
    while (connection.wait_readable(wait, stopping_)) {
      ConnectionPeer peer(connection);
      current.peer = &peer;
      current.close_after = false;
      connection.allow(options_.max_header_bytes, Deadline::after(options_.header_time));
      bool closed = false;
      const bool ok = process_request(connection, false, closed, [](httplib::Request& request) {
        // The library would compress replies and cut them to ranges.
        request.headers.erase("Accept-Encoding");
        request.ranges.clear();
      });
      current.peer = nullptr;
      if (!ok || closed || current.close_after || stopping_) return;
      wait = Deadline::after(options_.keep_alive);
    }
  }

  const HttpServerOptions options_;
  std::optional<access::TlsCertificates> tls_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> num_connections_ = 0;
  int port_ = 0;
  std::thread thread_;
};

HttpServer::HttpServer(HttpServerOptions options)
    : library_(std::make_unique<Library>(std::move(options))) {}
HttpServer::~HttpServer() = default;
int HttpServer::port() const { return library_->port(); }
void HttpServer::stop() { library_->stop_serving(); }

}  // namespace shoal::http
