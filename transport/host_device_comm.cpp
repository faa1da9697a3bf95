#include "transport/host_device_comm.h"

#include <cstring>
#include <deque>
#include <vector>

#include "runtime/base/check.h"

namespace shoal::transport {

void HostDeviceComm::exchange(std::span<const DeviceSend> sends,
                              std::span<const DeviceReceive> receives) {
  std::vector<Request> requests;
  std::deque<DeviceReceive> own;
  for (const DeviceReceive& receive : receives) {
    if (receive.bytes == 0) continue;
    if (receive.from == rank())
      own.push_back(receive);
    else
      requests.push_back(host_.irecv(
          receive.from, Tag::kDevice, {static_cast<std::byte*>(receive.data), receive.bytes}));
  }
  for (const DeviceSend& send : sends) {
    if (send.bytes == 0) continue;
    if (send.to != rank()) {
      requests.push_back(host_.isend(
          send.to, Tag::kDevice, {static_cast<const std::byte*>(send.data), send.bytes}));
      continue;
    }
    SHOAL_ASSERT(!own.empty() && own.front().bytes == send.bytes,
                 "{} bytes to itself that nobody takes",
                 send.bytes);
    std::memcpy(own.front().data, send.data, send.bytes);
    own.pop_front();
  }
  wait_all(requests, deadline_);
}

}  // namespace shoal::transport
