#include "transport/loopback_comm.h"

#include <fmt/format.h>

#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/error.h"

namespace shoal::transport {

// All mail of a world. The n-th receive posted for (from, to, tag) gets the n-th message sent, also
// when an earlier receive was abandoned: that is what MPI does.
class LoopbackHub {
 public:
  using Bytes = std::vector<std::byte>;
  struct Address {
    int from, to, tag;
    auto operator<=>(const Address&) const = default;
  };

  explicit LoopbackHub(int size) : present_(static_cast<size_t>(size), true) {}
  int size() const { return static_cast<int>(present_.size()); }

  void send(const Address& address, std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    boxes_[address].messages.emplace_back(Bytes(bytes.begin(), bytes.end()));
  }

  uint64_t post_receive(const Address& address) {
    const std::lock_guard lock(mutex_);
    return boxes_[address].receives_posted++;
  }

  std::optional<Bytes> take(const Address& address, uint64_t ticket) {
    const std::lock_guard lock(mutex_);
    Box& box = boxes_[address];
    if (ticket - box.first_ticket >= box.messages.size()) {
      if (!present_[static_cast<size_t>(address.from)])
        throw PeerLost(address.from, fmt::format("rank {} has left", address.from));
      return std::nullopt;
    }
    std::optional<Bytes> message =
        std::exchange(box.messages[ticket - box.first_ticket], std::nullopt);
    SHOAL_ASSERT(message.has_value(), "message {} taken twice", ticket);
    while (!box.messages.empty() && !box.messages.front()) {
      box.messages.pop_front();
      ++box.first_ticket;
    }
    return message;
  }

  void leave(int rank) {
    const std::lock_guard lock(mutex_);
    present_[static_cast<size_t>(rank)] = false;
  }

 private:
  struct Box {
    std::deque<std::optional<Bytes>> messages;  // of tickets first_ticket, first_ticket + 1, ...
    uint64_t first_ticket = 0;
    uint64_t receives_posted = 0;
  };

  std::mutex mutex_;
  std::map<Address, Box> boxes_;
  std::vector<bool> present_;
};

namespace {

class SentAlready final : public Request::State {
 public:
  explicit SentAlready(int to) : to_(to) {}
  bool test() override { return true; }
  size_t received_bytes() const override { return 0; }
  int peer() const override { return to_; }

 private:
  int to_;
};

}  // namespace

class LoopbackComm::Receive final : public Request::State {
 public:
  Receive(LoopbackComm& comm, LoopbackHub::Address address, std::span<std::byte> buffer)
      : comm_(comm),
        address_(address),
        buffer_(buffer),
        ticket_(comm.hub_->post_receive(address)) {}

  bool test() override {
    if (done_) return true;
    const auto message = comm_.hub_->take(address_, ticket_);
    if (!message) return false;
    if (message->size() > buffer_.size())
      throw Error(ExitCode::kUnexpected,
                  fmt::format("a message of {} bytes from rank {} does not fit {} bytes",
                              message->size(),
                              address_.from,
                              buffer_.size()));
    if (!message->empty()) std::memcpy(buffer_.data(), message->data(), message->size());
    received_ = message->size();
    comm_.bytes_received_ += received_;
    done_ = true;
    return true;
  }
  size_t received_bytes() const override { return received_; }
  int peer() const override { return address_.from; }

 private:
  LoopbackComm& comm_;
  LoopbackHub::Address address_;
  std::span<std::byte> buffer_;
  uint64_t ticket_;
  size_t received_ = 0;
  bool done_ = false;
};

LoopbackComm::LoopbackComm(std::shared_ptr<LoopbackHub> hub, int rank)
    : hub_(std::move(hub)), rank_(rank) {}

LoopbackComm::~LoopbackComm() { hub_->leave(rank_); }

int LoopbackComm::size() const { return hub_->size(); }

Request LoopbackComm::isend(int to, Tag tag, std::span<const std::byte> bytes) {
  SHOAL_ASSERT(to >= 0 && to < size(), "rank {} of {}", to, size());
  hub_->send({rank_, to, static_cast<int>(tag)}, bytes);
  bytes_sent_ += bytes.size();
  return Request(std::make_unique<SentAlready>(to));
}

Request LoopbackComm::irecv(int from, Tag tag, std::span<std::byte> buffer) {
  SHOAL_ASSERT(from >= 0 && from < size(), "rank {} of {}", from, size());
  return Request(std::make_unique<Receive>(
      *this, LoopbackHub::Address{from, rank_, static_cast<int>(tag)}, buffer));
}

std::vector<std::unique_ptr<LoopbackComm>> make_loopback_world(int size) {
  const auto hub = std::make_shared<LoopbackHub>(size);
  std::vector<std::unique_ptr<LoopbackComm>> world;
  for (int rank = 0; rank < size; ++rank)
    world.push_back(std::make_unique<LoopbackComm>(hub, rank));
  return world;
}

}  // namespace shoal::transport
