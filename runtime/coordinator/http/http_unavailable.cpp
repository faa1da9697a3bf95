// The HTTP server of a build without an HTTP library.
#include "runtime/base/error.h"
#include "runtime/coordinator/http/http_server.h"

namespace shoal::http {

class HttpServer::Library {};

HttpServer::HttpServer(HttpServerOptions) {
  throw Error(ExitCode::kUsage, "this build has no HTTP door (cpp-httplib was absent); use gRPC");
}
HttpServer::~HttpServer() = default;
int HttpServer::port() const { return 0; }
void HttpServer::stop() {}

}  // namespace shoal::http
