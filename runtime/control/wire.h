// Bytes of messages: little-endian fixed-width integers, floats by their bits, counts as u32.
// The reader trusts nothing: a count larger than the bytes left, or bytes left over at the end,
// makes the whole message invalid; reading goes on harmlessly (zeros) so that callers check once.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace shoal::control {

static_assert(std::endian::native == std::endian::little);

class ByteWriter {
 public:
  ByteWriter() { bytes_.reserve(256); }

  template <class T>
  void put(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    append(&value, sizeof(T));
  }
  void put_string(std::string_view text) {
    put(static_cast<uint32_t>(text.size()));
    append(text.data(), text.size());
  }
  template <class T>
  void put_numbers(const std::vector<T>& values) {
    put(static_cast<uint32_t>(values.size()));
    append(values.data(), values.size() * sizeof(T));
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  void append(const void* from, size_t count) {
    if (count == 0) return;
    const size_t at = bytes_.size();
    bytes_.resize(at + count);
    std::memcpy(bytes_.data() + at, from, count);
  }

  std::vector<std::byte> bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  T get() {
    T value{};
    if (take(sizeof(T))) std::memcpy(&value, bytes_.data() + at_ - sizeof(T), sizeof(T));
    return value;
  }
  bool get_bool() {
    const auto value = get<uint8_t>();
    valid_ = valid_ && value <= 1;
    return value == 1;
  }
  // An enum whose largest enumerator is `last`.
  template <class E>
  E get_enum(E last) {
    const auto value = get<std::underlying_type_t<E>>();
    if (value > static_cast<std::underlying_type_t<E>>(last)) valid_ = false;
    return valid_ ? static_cast<E>(value) : E{};
  }
  std::string get_string() {
    const uint32_t size = get_count(1);
    if (!take(size)) return {};
    return {reinterpret_cast<const char*>(bytes_.data() + at_ - size), size};
  }
  template <class T>
  std::vector<T> get_numbers() {
    const uint32_t count = get_count(sizeof(T));
    if (!take(size_t{count} * sizeof(T))) return {};
    std::vector<T> out(count);
    if (count > 0)
      std::memcpy(out.data(), bytes_.data() + at_ - count * sizeof(T), count * sizeof(T));
    return out;
  }
  // A count of items that take at least `item_bytes` each.
  uint32_t get_count(size_t item_bytes) {
    const auto count = get<uint32_t>();
    if (count > (bytes_.size() - at_) / item_bytes) valid_ = false;
    return valid_ ? count : 0;
  }
  void refuse() { valid_ = false; }
  bool valid() const { return valid_; }
  bool finished() const { return valid_ && at_ == bytes_.size(); }

 private:
  bool take(size_t count) {
    if (!valid_ || count > bytes_.size() - at_) {
      valid_ = false;
      return false;
    }
    at_ += count;
    return true;
  }

  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  bool valid_ = true;
};

}  // namespace shoal::control
