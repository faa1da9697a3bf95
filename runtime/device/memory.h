// Bytes that one backend computes in, or that the host fills for it: zeroed once, when they are
// taken. Move-only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/base/backend.h"
#include "runtime/device/host_pages.h"

namespace shoal::device {

enum class MemoryKind : uint8_t {
  kHost,    // pages taken on first touch
  kPinned,  // host memory that a device copies from and to while kernels run; not zeroed
  kDevice,  // rounded up to whole words of 256 bytes, and aligned to them
};

// Where a backend's kernels find their arguments, and where the host stages them.
inline MemoryKind compute_memory(Backend backend) {
  return backend == Backend::kCuda ? MemoryKind::kDevice : MemoryKind::kHost;
}
inline MemoryKind staging_memory(Backend backend) {
  return backend == Backend::kCuda ? MemoryKind::kPinned : MemoryKind::kHost;
}

class Memory {
 public:
  Memory() = default;
  Memory(MemoryKind kind, size_t bytes);  // throws Error(kDoesNotFit), naming the size
  ~Memory();
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> span() const { return {data_, size_}; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  MemoryKind kind_ = MemoryKind::kHost;
  HostPages pages_;  // kHost
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace shoal::device
