#include "transport/mpi_comm.h"

#include <limits>

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "transport/mpi_check.h"

namespace shoal::transport {
namespace {

int checked_count(size_t bytes) {
  SHOAL_ASSERT(bytes <= static_cast<size_t>(std::numeric_limits<int>::max()),
               "a message of {} bytes",
               bytes);
  return static_cast<int>(bytes);
}

}  // namespace

class MpiComm::Transfer final : public Request::State {
 public:
  enum class Kind { kSend, kReceive };
  Transfer(MpiComm& comm, int peer, Kind kind) : comm_(comm), peer_(peer), kind_(kind) {}
  ~Transfer() override {
    if (request != MPI_REQUEST_NULL) ++comm_.num_abandoned_;
  }

  bool test() override {
    if (request == MPI_REQUEST_NULL) return true;
    int done = 0;
    MPI_Status status;
    mpi_check_peer(MPI_Test(&request, &done, &status), "MPI_Test", peer_);
    if (done == 0) return false;
    if (kind_ == Kind::kReceive) {
      int count = 0;
      mpi_check(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
      received_ = static_cast<size_t>(count);
      comm_.bytes_received_ += received_;
    }
    return true;
  }
  size_t received_bytes() const override { return received_; }
  int peer() const override { return peer_; }

  MPI_Request request = MPI_REQUEST_NULL;

 private:
  MpiComm& comm_;
  int peer_;
  Kind kind_;
  size_t received_ = 0;
};

MpiComm::MpiComm() {
  mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  mpi_check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  mpi_check(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
  mpi_check(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
}

MpiComm::~MpiComm() {
  if (num_abandoned_ > 0) {
    log::debug("{} abandoned messages", num_abandoned_);
    return;
  }
  if (const int rc = MPI_Comm_free(&comm_); rc != MPI_SUCCESS)
    log::warn("MPI_Comm_free returned {}", rc);
}

Request MpiComm::isend(int to, Tag tag, std::span<const std::byte> bytes) {
  auto transfer = std::make_unique<Transfer>(*this, to, Transfer::Kind::kSend);
  mpi_check_peer(MPI_Isend(bytes.data(),
                           checked_count(bytes.size()),
                           MPI_BYTE,
                           to,
                           static_cast<int>(tag),
                           comm_,
                           &transfer->request),
                 "MPI_Isend",
                 to);
  bytes_sent_ += bytes.size();
  return Request(std::move(transfer));
}

Request MpiComm::irecv(int from, Tag tag, std::span<std::byte> buffer) {
  auto transfer = std::make_unique<Transfer>(*this, from, Transfer::Kind::kReceive);
  mpi_check_peer(MPI_Irecv(buffer.data(),
                           checked_count(buffer.size()),
                           MPI_BYTE,
                           from,
                           static_cast<int>(tag),
                           comm_,
                           &transfer->request),
                 "MPI_Irecv",
                 from);
  return Request(std::move(transfer));
}

}  // namespace shoal::transport
