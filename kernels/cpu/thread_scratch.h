// Scratch memory of the calling thread, 64-byte aligned, kept until the thread ends: it grows to
// the largest size ever asked for and is then reused, so steady state allocates nothing.
#pragma once
#include <cstddef>
#include <cstdint>

namespace shoal::kernels::cpu {

// Users that may be active at the same time each have a slot of their own.
enum class ScratchSlot : uint8_t {
  kWeightTile,
  kActivationTile,
  kActivationSums,
  kExpertTile,
  kAttentionTile
};
inline constexpr size_t kNumScratchSlots = 5;

// Contents are undefined; valid until the next call with the same slot on this thread.
std::byte* thread_scratch(ScratchSlot slot, size_t bytes);

}  // namespace shoal::kernels::cpu
