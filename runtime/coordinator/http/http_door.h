// The HTTP door: OpenAI's completions and chat completions, models, tokenizer calls, health and
// metrics. Everything else is 404 in the shape that OpenAI clients expect.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "runtime/coordinator/access/api_keys.h"
#include "runtime/coordinator/access/tls_files.h"
#include "runtime/coordinator/request_door.h"
#include "runtime/coordinator/request_metrics.h"

namespace shoal::http {

struct HttpDoorOptions {
  std::string host = "127.0.0.1";  // an address of this host
  int port = 0;                    // 0: any
  int max_connections = 512;
  std::optional<access::TlsFiles> tls;
  std::shared_ptr<const access::ApiKeys> keys;  // null: none is asked for
  bool vllm_metrics = false;
  std::string build;
};

class HttpDoor {
 public:
  // Listens at once. The door and the metrics must outlive it. Throws Error(kUsage) when the port
  // is taken, when TLS files cannot be used, or when this build has no HTTP.
  HttpDoor(HttpDoorOptions options,
           coordinator::RequestDoor& door,
           const coordinator::RequestMetrics& metrics);
  ~HttpDoor();  // stops
  HttpDoor(const HttpDoor&) = delete;
  HttpDoor& operator=(const HttpDoor&) = delete;

  int port() const;
  // Streams that run are waited for: end them first.
  void stop();

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace shoal::http
