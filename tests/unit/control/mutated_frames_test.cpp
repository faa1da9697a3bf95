// A million damaged frames, in both directions. Each is a message or is refused: what is taken for
// a message is written back as the same bytes, and no promise of a count takes memory that the
// frame does not pay for.
#include <gtest/gtest.h>

#include "tests/unit/control/counted_allocations.h"
#include "tests/unit/control/frame_mutator.h"
#include "tests/unit/control/sample_messages.h"

namespace shoal::control {
namespace {

constexpr int kFrames = 1'000'000;
// A score takes 29 bytes of a frame and 88 in memory, and a vector grows by doubling: below 8. A
// Welcome's placement of experts may hold 65,536 lists (24 bytes each) from 8 bytes, one a stage.
constexpr size_t kMemoryPerByte = 8, kMemoryBeside = 4096, kPlacement = size_t{65'536} * 24;

struct Seen {
  int taken = 0, refused = 0;
};

template <class Decode>
void try_frame(const std::vector<std::byte>& frame, Decode decode, size_t allowed, Seen& seen) {
  largest_allocation = 0;
  const auto message = decode(std::span(frame));
  const size_t largest = largest_allocation;
  ASSERT_LE(largest, allowed + kMemoryPerByte * frame.size()) << frame.size() << " bytes";
  ++(message ? seen.taken : seen.refused);
  if (message) {
    ASSERT_EQ(encode(*message), frame);
  }
}

TEST(MutatedFrames, AreMessagesOrRefused) {
  FrameMutator mutator(20'261'124);
  Seen to_worker, to_coordinator;
  const auto down = worker_messages();
  const auto up = coordinator_messages();
  for (int i = 0; i < kFrames / 2; ++i) {
    const auto which = static_cast<size_t>(i);
    try_frame(mutator.mutate(encode(down[which % down.size()])),
              decode_to_worker,
              kMemoryBeside + kPlacement,
              to_worker);
    try_frame(mutator.mutate(encode(up[which % up.size()])),
              decode_to_coordinator,
              kMemoryBeside,
              to_coordinator);
    if (HasFatalFailure()) return;
  }
  // Both ends of the decoder were seen at work.
  for (const Seen& seen : {to_worker, to_coordinator}) {
    EXPECT_GT(seen.taken, kFrames / 100);
    EXPECT_GT(seen.refused, kFrames / 100);
  }
}

}  // namespace
}  // namespace shoal::control
