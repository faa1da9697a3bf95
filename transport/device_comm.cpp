#include "transport/device_comm.h"

#include "transport/host_device_comm.h"
#include "transport/nccl_world.h"

namespace shoal::transport {

std::unique_ptr<DeviceComm> make_device_comm(HostComm& host, const device::Queue& queue) {
  if (queue.backend() == Backend::kCuda) return make_nccl_comm(host, queue);
  return std::make_unique<HostDeviceComm>(host);
}

}  // namespace shoal::transport
