// HostComm between threads of one process: unit tests and single-process runs of several ranks.
// A rank whose LoopbackComm was destroyed is gone: a receive that waits for it throws PeerLost.
// Sends are copied, so they are complete at once and a sender may leave before its messages are
// read.
#pragma once
#include <memory>
#include <vector>

#include "transport/host_comm.h"

namespace shoal::transport {

class LoopbackHub;

class LoopbackComm final : public HostComm {
 public:
  LoopbackComm(std::shared_ptr<LoopbackHub> hub, int rank);
  ~LoopbackComm() override;
  LoopbackComm(const LoopbackComm&) = delete;
  LoopbackComm& operator=(const LoopbackComm&) = delete;

  int rank() const override { return rank_; }
  int size() const override;
  Request isend(int to, Tag tag, std::span<const std::byte> bytes) override;
  Request irecv(int from, Tag tag, std::span<std::byte> buffer) override;

 private:
  class Receive;
  std::shared_ptr<LoopbackHub> hub_;
  int rank_;
};

// One comm for each rank of a world of `size`; move each to its thread.
std::vector<std::unique_ptr<LoopbackComm>> make_loopback_world(int size);

}  // namespace shoal::transport
