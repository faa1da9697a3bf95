// DeviceComm over NCCL. Made without blocking and waited for with a deadline; its calls only
// enqueue. The library's own errors, the death of a peer on this host and a passed deadline all
// end in PeerLost: naming the rank where one is known to have ended.
#pragma once
#include <nccl.h>

#include <optional>
#include <source_location>
#include <vector>

#include "transport/nccl_world.h"
#include "transport/peer_watch.h"

namespace shoal::transport {

class NcclComm final : public DeviceComm {
 public:
  // `host` carries the bootstrap only, `queue` all exchanges.
  NcclComm(HostComm& host, const device::Queue& queue) : host_(host), queue_(queue) {}
  ~NcclComm() override;
  NcclComm(const NcclComm&) = delete;
  NcclComm& operator=(const NcclComm&) = delete;

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  void connect(Deadline deadline) override;
  void exchange(std::span<const DeviceSend> sends,
                std::span<const DeviceReceive> receives) override;
  void check(bool late) override;
  void set_deadline(Deadline deadline) override { deadline_ = deadline; }
  void abort() noexcept override;
  void on_abort(std::function<void()> before) override { before_.push_back(std::move(before)); }

 private:
  void make();
  void meet_all(Deadline deadline);
  void checked(ncclResult_t result,
               const char* call,
               std::source_location place = std::source_location::current()) const;
  // Until the library has done what it was told to do, on the host's side.
  void settle(const char* call, std::source_location place = std::source_location::current());

  HostComm& host_;
  const device::Queue& queue_;
  std::optional<PeerWatch> watch_;
  int gpu_ = 0;
  ncclComm_t comm_ = nullptr;
  Deadline deadline_ = Deadline::never();
  std::vector<std::function<void()>> before_;
};

}  // namespace shoal::transport
