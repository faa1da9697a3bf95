#include "kernels/cpu/thread_scratch.h"

#include <array>
#include <memory>
#include <new>

namespace shoal::kernels::cpu {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Delete {
  void operator()(std::byte* bytes) const { ::operator delete(bytes, kAlignment); }
};

struct Buffer {
  std::unique_ptr<std::byte, Delete> bytes;
  size_t size = 0;
};

}  // namespace

std::byte* thread_scratch(ScratchSlot slot, size_t bytes) {
  thread_local std::array<Buffer, kNumScratchSlots> buffers;
  Buffer& buffer = buffers[static_cast<size_t>(slot)];
  if (buffer.size < bytes) {
    buffer.bytes.reset(static_cast<std::byte*>(::operator new(bytes, kAlignment)));
    buffer.size = bytes;
  }
  return buffer.bytes.get();
}

}  // namespace shoal::kernels::cpu
