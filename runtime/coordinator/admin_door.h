// AdminService on an address of its own, for operators: it closes and opens the front door, shows
// what everybody is doing, and sets how much is logged. The front door must outlive it.
#pragma once
#include <memory>
#include <string>

#include "runtime/base/deadline.h"
#include "runtime/coordinator/front_door.h"
#include "runtime/coordinator/grpc_credentials.h"

namespace shoal::coordinator {

class AdminDoor {
 public:
  // Listens at once. Throws Error(kUsage) when the address is taken.
  AdminDoor(const std::string& address, const GrpcAccess& access, FrontDoor& door);
  ~AdminDoor();
  AdminDoor(const AdminDoor&) = delete;
  AdminDoor& operator=(const AdminDoor&) = delete;

  const std::string& address() const;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace shoal::coordinator
