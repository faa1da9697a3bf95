// The HTTP door of a build without an HTTP library.
#include "runtime/base/error.h"
#include "runtime/coordinator/http_door.h"

namespace shoal::coordinator {

struct HttpDoor::Server {};

HttpDoor::HttpDoor(const std::string&, int, RequestDoor&) {
  throw Error(ExitCode::kUsage, "this build has no HTTP door (cpp-httplib was absent); use gRPC");
}
HttpDoor::~HttpDoor() = default;
int HttpDoor::port() const { return 0; }
void HttpDoor::stop() {}

}  // namespace shoal::coordinator
