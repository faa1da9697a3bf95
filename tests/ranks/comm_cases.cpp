#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <vector>

#include "runtime/base/error.h"
#include "tests/ranks/cases.h"

namespace shoal::transport {
namespace {

using Bytes = std::vector<std::byte>;

// Byte i of message number `message` from rank `from` to rank `to`.
std::byte byte_of(int from, int to, int message, size_t i) {
  return static_cast<std::byte>(
      (static_cast<size_t>(from * 7 + to * 31 + message * 101) + i * 13 + (i >> 8)) & 0xff);
}

Bytes message_of(int from, int to, int message, size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = byte_of(from, to, message, i);
  return bytes;
}

// Every rank to every rank (itself too), several messages each, receives posted first.
void exchange_all(HostComm& comm, size_t size, int num_messages) {
  std::vector<Bytes> sent, received;
  std::vector<Request> sends, receives;
  for (int peer = 0; peer < comm.size(); ++peer)
    for (int message = 0; message < num_messages; ++message)
      receives.push_back(
          comm.irecv(peer, Tag::kHidden, received.emplace_back(size + 8, std::byte{0xee})));
  for (int message = 0; message < num_messages; ++message)
    for (int peer = 0; peer < comm.size(); ++peer)
      sends.push_back(comm.isend(
          peer, Tag::kHidden, sent.emplace_back(message_of(comm.rank(), peer, message, size))));
  wait_all(receives, patient());
  wait_all(sends, patient());
  for (int peer = 0; peer < comm.size(); ++peer)
    for (int message = 0; message < num_messages; ++message) {
      const auto i = static_cast<size_t>(peer * num_messages + message);
      ASSERT_EQ(receives[i].received_bytes(), size);
      received[i].resize(size);
      ASSERT_TRUE(received[i] == message_of(peer, comm.rank(), message, size))
          << "message " << message << " from rank " << peer << " of " << size << " bytes";
    }
}

void messages_keep_their_order(HostComm& comm) { exchange_all(comm, 5, 20); }
void empty_messages_arrive(HostComm& comm) { exchange_all(comm, 0, 3); }
void odd_sizes_arrive(HostComm& comm) {
  for (const size_t size : {1, 7, 4095, 4097, 65'537}) exchange_all(comm, size, 2);
}
void large_messages_arrive(HostComm& comm) { exchange_all(comm, 8u << 20, 1); }

void tags_do_not_mix(HostComm& comm) {
  const int next = (comm.rank() + 1) % comm.size();
  const int before = (comm.rank() + comm.size() - 1) % comm.size();
  const std::array<std::byte, 1> token{std::byte{1}}, control{std::byte{2}};
  std::array<std::byte, 1> got_token{}, got_control{};
  std::vector<Request> requests;
  requests.push_back(comm.isend(next, Tag::kCombine, token));
  requests.push_back(comm.isend(next, Tag::kDispatch, control));
  requests.push_back(comm.irecv(before, Tag::kDispatch, got_control));
  requests.push_back(comm.irecv(before, Tag::kCombine, got_token));
  wait_all(requests, patient());
  EXPECT_EQ(got_token, token);
  EXPECT_EQ(got_control, control);
}

void bytes_are_counted(HostComm& comm) {
  const uint64_t sent = comm.bytes_sent(), received = comm.bytes_received();
  exchange_all(comm, 100, 3);
  EXPECT_EQ(comm.bytes_sent() - sent, 300u * static_cast<uint64_t>(comm.size()));
  EXPECT_EQ(comm.bytes_received() - received, 300u * static_cast<uint64_t>(comm.size()));
}

// The last rank stays silent on a tag of its own; everybody else waits for it and for a rank that
// answers, and must name the silent one. The deadline is the subject here: the wait may end late by
// at most the timeout itself (habit: 2x).
void a_silent_rank_is_named(HostComm& comm) {
  using std::chrono::seconds;
  if (comm.size() == 1) return;
  const int silent = comm.size() - 1;
  static thread_local std::array<std::byte, 8> never;  // the abandoned receive keeps it
  if (comm.rank() != silent) {
    std::vector<Request> requests;
    const std::array<std::byte, 1> hello{};
    std::array<std::byte, 1> echo{};
    requests.push_back(comm.irecv(comm.rank(), Tag::kControl, echo));
    requests.push_back(comm.irecv(silent, Tag::kToken, never));
    requests.push_back(comm.isend(comm.rank(), Tag::kControl, hello));
    const auto start = std::chrono::steady_clock::now();
    try {
      wait_all(requests, Deadline::after(seconds(1)));
      ADD_FAILURE() << "the wait ended without an error";
    } catch (const PeerLost& lost) {
      EXPECT_EQ(lost.rank(), silent);
      EXPECT_EQ(lost.code(), ExitCode::kRankLost);
      EXPECT_THAT(lost.what(), testing::HasSubstr("rank " + std::to_string(silent)));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(2));
  }
  exchange_all(comm, 1, 1);  // nobody leaves while others still wait
}

void a_passed_deadline_still_takes_what_is_there(HostComm& comm) {
  std::vector<Request> requests;
  const std::array<std::byte, 1> hello{};
  std::array<std::byte, 1> echo{};
  requests.push_back(comm.irecv(comm.rank(), Tag::kControl, echo));
  requests.push_back(comm.isend(comm.rank(), Tag::kControl, hello));
  wait_all(requests, patient());
  EXPECT_NO_THROW(wait_all(requests, Deadline::after(std::chrono::seconds(0))));
  EXPECT_NO_THROW(wait_all({}, Deadline::after(std::chrono::seconds(0))));
}

void a_message_longer_than_its_buffer_is_an_error(HostComm& comm) {
  const std::array<std::byte, 16> sent{};
  std::array<std::byte, 8> buffer{};
  Request send = comm.isend(comm.rank(), Tag::kControl, sent);
  Request receive = comm.irecv(comm.rank(), Tag::kControl, buffer);
  EXPECT_THROW(wait_all({&receive, 1}, patient()), Error);
  EXPECT_NO_THROW(wait_all({&send, 1}, patient()));
}

constexpr RankCase kCases[] = {
    {"MessagesKeepTheirOrder", messages_keep_their_order},
    {"EmptyMessagesArrive", empty_messages_arrive},
    {"OddSizesArrive", odd_sizes_arrive},
    {"LargeMessagesArrive", large_messages_arrive},
    {"TagsDoNotMix", tags_do_not_mix},
    {"BytesAreCounted", bytes_are_counted},
    {"ASilentRankIsNamed", a_silent_rank_is_named},
    {"APassedDeadlineStillTakesWhatIsThere", a_passed_deadline_still_takes_what_is_there},
    {"AMessageLongerThanItsBufferIsAnError", a_message_longer_than_its_buffer_is_an_error},
};

}  // namespace

std::span<const RankCase> comm_cases() { return kCases; }

}  // namespace shoal::transport
