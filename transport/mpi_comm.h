// HostComm over MPI: a duplicate of MPI_COMM_WORLD with errors returned. One thread, the one that
// made it. Construction is collective over the world. Requests that are destroyed before they are
// complete are abandoned: never cancelled, never freed, counted.
#pragma once
#include <mpi.h>

#include "transport/host_comm.h"

namespace shoal::transport {

class MpiComm final : public HostComm {
 public:
  MpiComm();
  // Frees the duplicate unless a request was abandoned: then a peer is gone or the step was broken
  // off, and the process is about to leave.
  ~MpiComm() override;
  MpiComm(const MpiComm&) = delete;
  MpiComm& operator=(const MpiComm&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  // Messages below 2 GiB.
  Request isend(int to, Tag tag, std::span<const std::byte> bytes) override;
  Request irecv(int from, Tag tag, std::span<std::byte> buffer) override;

  int num_abandoned() const { return num_abandoned_; }

 private:
  class Transfer;
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
  int num_abandoned_ = 0;
};

}  // namespace shoal::transport
