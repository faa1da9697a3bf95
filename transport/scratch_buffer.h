// Bytes that grow to the largest size asked for and stay: no allocation in a steady state. 64-byte
// aligned, not initialised; growing loses the contents. Move-only.
#pragma once
#include <cstddef>
#include <memory>
#include <new>

namespace shoal::transport {

class ScratchBuffer {
 public:
  std::byte* reserve(size_t bytes) {
    if (bytes > capacity_) {
      bytes_.reset(static_cast<std::byte*>(::operator new(bytes, kAlignment)));
      capacity_ = bytes;
    }
    return bytes_.get();
  }
  std::byte* data() const { return bytes_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(std::byte* bytes) const { ::operator delete(bytes, kAlignment); }
  };
  std::unique_ptr<std::byte, Delete> bytes_;
  size_t capacity_ = 0;
};

}  // namespace shoal::transport
