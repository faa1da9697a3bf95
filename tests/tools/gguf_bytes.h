// A GGUF v3 header as bytes: what a shard of a written model begins with.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tools/model_layout.h"

namespace shoal::tools {

inline constexpr uint64_t kAlignment = 32;
inline uint64_t aligned(uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Entries in the order they were put; keys are not checked.
class EntryBytes {
 public:
  void u16(std::string_view key, uint16_t value) { put(key, 2, value); }
  void u32(std::string_view key, uint32_t value) { put(key, 4, value); }
  void i32(std::string_view key, int32_t value) { put(key, 5, value); }
  void f32(std::string_view key, float value) { put(key, 6, value); }
  void flag(std::string_view key, bool value) { put(key, 7, static_cast<uint8_t>(value)); }
  void text(std::string_view key, std::string_view value);
  void texts(std::string_view key, const std::vector<std::string>& values);
  void i32s(std::string_view key, std::span<const int32_t> values);

  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  template <class T>
  void put(std::string_view key, uint32_t type, T value) {
    start(key, type);
    raw(value);
  }
  template <class T>
  void raw(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void start(std::string_view key, uint32_t type);
  void string(std::string_view value);

  std::string bytes_;
  uint64_t count_ = 0;
};

// Up to the first tensor's byte. Without tensors there is no data section, hence no padding.
std::string header_bytes(const EntryBytes& entries, std::span<const LaidTensor> tensors);

}  // namespace shoal::tools
