#include "runtime/coordinator/http_door.h"

#include <fmt/format.h>
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::coordinator {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kJson = "application/json";
constexpr size_t kMaxBodyBytes = size_t{16} << 20;
constexpr int kThreads = 16;  // probes are short

Json error_body(int code, const std::string& message, const char* type) {
  return {{"error", {{"code", code}, {"message", message}, {"type", type}}}};
}

const char* why_unavailable(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return "Loading model";
    case Phase::kRecovering:
      return "A rank was lost and is being replaced";
    case Phase::kDraining:
      return "The server is shutting down";
    default:
      return "The server has stopped";
  }
}

double load_progress(const ClusterStatus& status) {
  double done = 0, total = 0;
  for (const auto& rank : status.ranks) {
    done += static_cast<double>(rank.bytes_loaded);
    total += static_cast<double>(rank.bytes_total);
  }
  return total > 0 ? done / total : 0;
}

void answer_health(const RequestDoor& door, httplib::Response& response) {
  const ClusterStatus status = door.status();
  if (status.phase == Phase::kServing) {
    response.set_content(Json{{"status", "ok"}}.dump(), kJson);
    return;
  }
  Json body = error_body(503, why_unavailable(status.phase), "unavailable_error");
  if (status.phase == Phase::kStarting) body["error"]["progress"] = load_progress(status);
  response.status = 503;
  response.set_content(body.dump(), kJson);
}

void answer_error(const httplib::Request& request, httplib::Response& response) {
  if (!response.body.empty()) return;
  const std::string message = response.status == 404 ? fmt::format("{} {} is not served here",
                                                                   printable(request.method),
                                                                   printable(request.path))
                                                     : fmt::format("HTTP {}", response.status);
  Json body = error_body(response.status, message, "invalid_request_error");
  body["error"]["param"] = nullptr;
  response.set_content(body.dump(), kJson);
}

}  // namespace

struct HttpDoor::Server {
  httplib::Server http;
  int port = 0;
  std::thread thread;
};

HttpDoor::HttpDoor(const std::string& host, int port, RequestDoor& door)
    : server_(std::make_unique<Server>()) {
  auto& http = server_->http;
  http.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  http.set_tcp_nodelay(true);
  http.set_payload_max_length(kMaxBodyBytes);
  http.set_read_timeout(std::chrono::seconds(5));
  http.set_keep_alive_timeout(5);
  // The library's default shares the port with whoever has it (SO_REUSEPORT).
  http.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  http.Get("/health", [&door](const httplib::Request&, httplib::Response& response) {
    answer_health(door, response);
  });
  http.set_error_handler(answer_error);

  server_->port = port == 0 ? http.bind_to_any_port(host) : port;
  if (port == 0 ? server_->port <= 0 : !http.bind_to_port(host, port)) {
    throw Error(ExitCode::kUsage,
                fmt::format("port {} is in use; choose another with --http-port", port));
  }
  server_->thread = std::thread([this] { server_->http.listen_after_bind(); });
  // stop() does nothing to a server that does not run yet.
  const Deadline deadline = Deadline::after(std::chrono::seconds(5));
  while (!server_->http.is_running() && !deadline.passed()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

HttpDoor::~HttpDoor() { stop(); }

int HttpDoor::port() const { return server_->port; }

void HttpDoor::stop() {
  if (!server_->thread.joinable()) return;
  server_->http.stop();
  server_->thread.join();
}

}  // namespace shoal::coordinator
