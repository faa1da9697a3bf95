// Point-to-point messages between the ranks of one epoch, in host memory. Two implementations:
// MPI (mpi_comm.h) and threads of one process (loopback_comm.h). Nothing here blocks except
// wait_all(), which has a deadline. Messages between two ranks with one tag arrive in the order
// sent. One thread per rank calls; not collective unless said. The comm outlives its requests.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "runtime/base/deadline.h"

namespace shoal::transport {

// A send or receive under way. Move-only; destroying one that is not complete abandons it: the
// implementation then keeps it (and the caller must keep its buffer) until the epoch ends.
class Request {
 public:
  struct State {
    virtual ~State() = default;
    // True when complete. Throws PeerLost when the peer is known to be gone.
    virtual bool test() = 0;
    virtual size_t received_bytes() const = 0;  // receives only, after completion
    virtual int peer() const = 0;
  };

  Request() = default;
  explicit Request(std::unique_ptr<State> state) : state_(std::move(state)) {}
  bool valid() const { return state_ != nullptr; }
  bool test() { return state_ == nullptr || state_->test(); }
  size_t received_bytes() const { return state_->received_bytes(); }
  int peer() const { return state_->peer(); }

 private:
  std::unique_ptr<State> state_;
};

// What crosses which kind of exchange; keeps streams of messages apart.
enum class Tag : int {
  kDispatch = 1,
  kCombine = 2,
  kHidden = 3,
  kToken = 4,
  kControl = 5,
  kDevice = 6
};

class HostComm {
 public:
  virtual ~HostComm() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // The buffer must stay as it is until the request completes.
  virtual Request isend(int to, Tag tag, std::span<const std::byte> bytes) = 0;
  // Receives at most buffer.size() bytes; received_bytes() says how many came.
  virtual Request irecv(int from, Tag tag, std::span<std::byte> buffer) = 0;

  uint64_t bytes_sent() const { return bytes_sent_; }
  uint64_t bytes_received() const { return bytes_received_; }

 protected:
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;
};

// Polls all requests and yields the core between rounds. Throws PeerLost naming the first peer
// that has not answered when the deadline passes.
void wait_all(std::span<Request> requests, Deadline deadline);

}  // namespace shoal::transport
