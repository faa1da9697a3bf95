// The DeviceComm over NCCL, without NCCL's headers. A build without NCCL links
// nccl_unavailable.cpp, which refuses in words.
#pragma once
#include <memory>
#include <string>

#include "transport/device_comm.h"

namespace shoal::transport {

// Whether several ranks can compute on GPUs in this build; if not, why not in `reason`.
bool has_nccl(std::string& reason);

std::unique_ptr<DeviceComm> make_nccl_comm(HostComm& host, const device::Queue& queue);

}  // namespace shoal::transport
