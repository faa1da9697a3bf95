#include "transport/peer_watch.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>

#include "runtime/base/error.h"

namespace shoal::transport {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{5};

// What two processes have in common when one can watch the other.
struct Identity {
  std::array<char, 64> boot{};        // of this run of the kernel
  std::array<char, 64> namespace_{};  // of process ids
  int pid = 0;
};

template <size_t N>
void put(std::array<char, N>& to, const std::string& text) {
  std::memcpy(to.data(), text.data(), std::min(text.size(), N - 1));
}

Identity own_identity() {
  Identity own;
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  put(own.boot, boot);
  std::array<char, 64> link{};
  if (::readlink("/proc/self/ns/pid", link.data(), link.size() - 1) > 0) own.namespace_ = link;
  own.pid = ::getpid();
  return own;
}

}  // namespace

PeerWatch::PeerWatch(HostComm& host, Deadline deadline) {
  const Identity own = own_identity();
  std::vector<Identity> all(static_cast<size_t>(host.size()));
  std::vector<Request> requests;
  for (int rank = 0; rank < host.size(); ++rank) {
    if (rank == host.rank()) continue;
    requests.push_back(host.irecv(
        rank, Tag::kDevice, std::as_writable_bytes(std::span(&all[static_cast<size_t>(rank)], 1))));
    requests.push_back(host.isend(rank, Tag::kDevice, std::as_bytes(std::span(&own, 1))));
  }
  wait_all(requests, deadline);
  for (int rank = 0; rank < host.size(); ++rank) {
    const Identity& peer = all[static_cast<size_t>(rank)];
    if (rank == host.rank() || peer.pid == own.pid || own.boot[0] == '\0' ||
        peer.boot != own.boot || peer.namespace_ != own.namespace_)
      continue;
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0));
    if (fd >= 0) peers_.push_back({rank, peer.pid, fd});
  }
}

PeerWatch::~PeerWatch() {
  for (const Peer& peer : peers_) ::close(peer.fd);
}

void PeerWatch::check() {
  const auto now = Deadline::Clock::now();
  if (now < next_look_) return;
  next_look_ = now + kBetweenLooks;
  for (const Peer& peer : peers_) {
    pollfd ended = {.fd = peer.fd, .events = POLLIN, .revents = 0};
    if (::poll(&ended, 1, 0) > 0)
      throw PeerLost(peer.rank, fmt::format("rank {} has ended (process {})", peer.rank, peer.pid));
  }
}

}  // namespace shoal::transport
