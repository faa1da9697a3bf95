// The HTTP door, behind one small interface so that the library can be changed. Serves /health;
// everything else is 404 in the shape that OpenAI clients expect.
#pragma once
#include <memory>
#include <string>

#include "runtime/coordinator/request_door.h"

namespace shoal::coordinator {

class HttpDoor {
 public:
  // host: an address of this host, "127.0.0.1"; port 0: any. Listens at once. The door must
  // outlive it. Throws Error(kUsage) when the port is taken, or when this build has no HTTP.
  HttpDoor(const std::string& host, int port, RequestDoor& door);
  ~HttpDoor();  // stops
  HttpDoor(const HttpDoor&) = delete;
  HttpDoor& operator=(const HttpDoor&) = delete;

  int port() const;
  void stop();

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace shoal::coordinator
