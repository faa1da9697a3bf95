#include "runtime/device/memory.h"

#include <utility>

#include "runtime/device/cuda_calls.h"

namespace shoal::device {

Memory::Memory(MemoryKind kind, size_t bytes) : kind_(kind), size_(bytes) {
  if (bytes == 0) return;
  switch (kind) {
    case MemoryKind::kHost:
      pages_ = HostPages(bytes);
      data_ = pages_.data();
      break;
    case MemoryKind::kPinned:
      data_ = cuda::allocate_pinned(bytes);
      break;
    case MemoryKind::kDevice:
      data_ = cuda::allocate_device(bytes);
      break;
  }
}

Memory::~Memory() {
  if (data_ == nullptr) return;
  if (kind_ == MemoryKind::kPinned) cuda::free_pinned(data_);
  if (kind_ == MemoryKind::kDevice) cuda::free_device(data_);
}

Memory::Memory(Memory&& other) noexcept
    : kind_(other.kind_),
      pages_(std::move(other.pages_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(kind_, other.kind_);
  std::swap(pages_, other.pages_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace shoal::device
