// DeviceComm of backends that compute on the host: an exchange is done when its call returns.
#pragma once
#include "transport/device_comm.h"

namespace shoal::transport {

class HostDeviceComm final : public DeviceComm {
 public:
  explicit HostDeviceComm(HostComm& host) : host_(host) {}

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  void connect(Deadline) override {}
  void exchange(std::span<const DeviceSend> sends,
                std::span<const DeviceReceive> receives) override;
  void check(bool) override {}
  void set_deadline(Deadline deadline) override { deadline_ = deadline; }
  void abort() noexcept override {}
  void on_abort(std::function<void()>) override {}

 private:
  HostComm& host_;
  Deadline deadline_ = Deadline::never();
};

}  // namespace shoal::transport
