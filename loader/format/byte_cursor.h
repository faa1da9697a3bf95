// A position in bytes that came from a file. Little-endian, unaligned, no I/O. Callers ask has()
// before every take: what to say about a file that ends too early depends on what was being read,
// so a take without the bytes is a bug of ours.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "runtime/base/check.h"

namespace shoal::loader {

class ByteCursor {
 public:
  explicit ByteCursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }
  bool has(uint64_t count) const { return count <= left(); }

  template <class T>
  T take() {
    SHOAL_ASSERT(has(sizeof(T)), "{} bytes at {} of {}", sizeof(T), position_, bytes_.size());
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  // A view into the bytes that the cursor walks over.
  std::string_view take_text(uint64_t count) {
    SHOAL_ASSERT(has(count), "{} bytes at {} of {}", count, position_, bytes_.size());
    const auto* start = reinterpret_cast<const char*>(bytes_.data() + position_);
    position_ += count;
    return {start, count};
  }

  std::string_view text_between(uint64_t begin, uint64_t end) const {
    SHOAL_ASSERT(begin <= end && end <= position_, "{}..{} of {}", begin, end, position_);
    return {reinterpret_cast<const char*>(bytes_.data() + begin), end - begin};
  }

 private:
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

}  // namespace shoal::loader
