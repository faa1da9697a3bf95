#include "runtime/base/error.h"
#include "transport/nccl_world.h"

namespace shoal::transport {

bool has_nccl(std::string& reason) {
  reason =
      "this build has no NCCL, so one rank can compute on a GPU and no more (install libnccl-dev "
      "and configure again)";
  return false;
}

std::unique_ptr<DeviceComm> make_nccl_comm(HostComm&, const device::Queue&) {
  std::string reason;
  has_nccl(reason);
  throw Error(ExitCode::kUsage, reason);
}

}  // namespace shoal::transport
