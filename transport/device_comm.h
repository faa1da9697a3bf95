// Messages between the ranks of one epoch whose bytes lie where a backend computes: enqueued on the
// backend's queue, so nothing waits for the host and a recorded step may hold them. Two
// implementations: NCCL (nccl_comm.h), and a twin over HostComm for backends that compute on the
// host. Between two ranks messages of one direction match in the order enqueued; both ends know
// every size. One thread, the one that owns the queue.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "runtime/base/deadline.h"
#include "runtime/device/queue.h"
#include "transport/host_comm.h"

namespace shoal::transport {

struct DeviceSend {
  int to = 0;
  const void* data = nullptr;
  size_t bytes = 0;
};
struct DeviceReceive {
  int from = 0;
  void* data = nullptr;
  size_t bytes = 0;
};

class DeviceComm {
 public:
  virtual ~DeviceComm() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Collective, before the first exchange: returns when every rank has reached every other, so that
  // nothing is left to be set up inside a recording.
  virtual void connect(Deadline deadline) = 0;

  // All of them at once: none waits for another, whatever their order. A rank may send to itself.
  // Empty messages are left out, on both sides. Throws PeerLost, or Error with the call's place.
  virtual void exchange(std::span<const DeviceSend> sends,
                        std::span<const DeviceReceive> receives) = 0;

  // Throws PeerLost when a peer is known to be gone or the exchange has broken; with `late` always.
  // What a device::Queue watches with.
  virtual void check(bool late) = 0;

  // How long exchanges of the step at hand may take.
  virtual void set_deadline(Deadline deadline) = 0;

  // Ends what is under way, also what waits for a peer that is gone. The comm is of no use after
  // it. `before` of on_abort() comes first: graphs that hold exchanges must not outlive the comm.
  virtual void abort() noexcept = 0;
  virtual void on_abort(std::function<void()> before) = 0;
};

// Both outlive it. Throws Error (usage) for a backend whose exchange this build lacks.
std::unique_ptr<DeviceComm> make_device_comm(HostComm& host, const device::Queue& queue);

}  // namespace shoal::transport
