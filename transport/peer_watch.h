// Notices the death of ranks on this host without their help: each process is watched through the
// kernel (pidfd), so a rank that waits in a device's queue learns within a moment who is gone.
// Ranks on other hosts, or in other process namespaces, are not watched.
#pragma once
#include <vector>

#include "transport/host_comm.h"

namespace shoal::transport {

class PeerWatch {
 public:
  // Collective over the ranks of `host`: they tell each other who they are.
  PeerWatch(HostComm& host, Deadline deadline);
  ~PeerWatch();
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  // Throws PeerLost naming the first rank that has ended. Cheap: looks every few milliseconds.
  void check();

  int num_watched() const { return static_cast<int>(peers_.size()); }

 private:
  struct Peer {
    int rank = 0, pid = 0, fd = -1;
  };
  std::vector<Peer> peers_;
  Deadline::Clock::time_point next_look_{};
};

}  // namespace shoal::transport
