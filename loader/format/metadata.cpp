#include "loader/format/metadata.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <span>
#include <type_traits>

#include "loader/format/byte_cursor.h"

namespace shoal::loader {
namespace {

struct TypeTraits {
  std::string_view name;
  uint64_t bytes;
};
constexpr std::array<TypeTraits, kNumValueTypes> kTypes = {{
    {"u8", 1},
    {"i8", 1},
    {"u16", 2},
    {"i16", 2},
    {"u32", 4},
    {"i32", 4},
    {"f32", 4},
    {"bool", 1},
    {"string", 0},
    {"array", 0},
    {"u64", 8},
    {"i64", 8},
    {"f64", 8},
}};

template <class T>
constexpr ValueType type_of() {
  if constexpr (std::is_same_v<T, uint16_t>) return ValueType::kU16;
  if constexpr (std::is_same_v<T, uint32_t>) return ValueType::kU32;
  if constexpr (std::is_same_v<T, int32_t>) return ValueType::kI32;
  if constexpr (std::is_same_v<T, float>) return ValueType::kF32;
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, uint8_t>) return ValueType::kBool;
  return ValueType::kString;
}

template <class T>
T decode(const std::string& payload) {
  T value;
  std::memcpy(&value, payload.data(), sizeof(T));
  return value;
}

std::string found_type(const MetadataEntry& entry) {
  if (entry.type != ValueType::kArray) return std::string(value_type_name(entry.type));
  return fmt::format("array of {}", value_type_name(entry.element));
}

}  // namespace

std::string_view value_type_name(ValueType type) {
  return kTypes.at(static_cast<size_t>(type)).name;
}

uint64_t value_type_bytes(ValueType type) { return kTypes.at(static_cast<size_t>(type)).bytes; }

Metadata::Metadata(std::string file, std::vector<MetadataEntry> entries, uint64_t end_byte)
    : file_(std::move(file)), entries_(std::move(entries)), end_byte_(end_byte) {
  for (size_t i = 0; i < entries_.size(); ++i) by_key_.emplace(entries_[i].key, i);
}

const MetadataEntry* Metadata::find(std::string_view key) const {
  const auto found = by_key_.find(std::string(key));
  return found == by_key_.end() ? nullptr : &entries_[found->second];
}

FilePlace Metadata::place(std::string_view key) const {
  const MetadataEntry* entry = find(key);
  return {file_, entry == nullptr ? end_byte_ : entry->byte};
}

template <class T>
std::optional<T> Metadata::get(std::string_view key, int number) const {
  const MetadataEntry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->type != type_of<T>())
    refuse(number,
           place(key),
           fmt::format("key {} must be {}, found {}",
                       quoted(key),
                       value_type_name(type_of<T>()),
                       found_type(*entry)));
  if constexpr (std::is_same_v<T, std::string>)
    return entry->payload;
  else
    return decode<T>(entry->payload);
}

template <class T>
T Metadata::require(std::string_view key, int number) const {
  std::optional<T> value = get<T>(key, number);
  if (!value) refuse(29, place(key), fmt::format("required key {} is missing", quoted(key)));
  return *std::move(value);
}

std::optional<double> Metadata::number(std::string_view key) const {
  const MetadataEntry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  switch (entry->type) {
    case ValueType::kU8:
      return decode<uint8_t>(entry->payload);
    case ValueType::kI8:
      return decode<int8_t>(entry->payload);
    case ValueType::kU16:
      return decode<uint16_t>(entry->payload);
    case ValueType::kI16:
      return decode<int16_t>(entry->payload);
    case ValueType::kU32:
      return decode<uint32_t>(entry->payload);
    case ValueType::kI32:
      return decode<int32_t>(entry->payload);
    case ValueType::kF32:
      return decode<float>(entry->payload);
    case ValueType::kU64:
      return static_cast<double>(decode<uint64_t>(entry->payload));
    case ValueType::kI64:
      return static_cast<double>(decode<int64_t>(entry->payload));
    case ValueType::kF64:
      return decode<double>(entry->payload);
    case ValueType::kBool:
    case ValueType::kString:
    case ValueType::kArray:
      break;
  }
  refuse(30,
         place(key),
         fmt::format("key {} must be a number, found {}", quoted(key), found_type(*entry)));
}

template <class T>
std::optional<std::vector<T>> Metadata::get_array(std::string_view key) const {
  const MetadataEntry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->type != ValueType::kArray || entry->element != type_of<T>())
    refuse(42,
           place(key),
           fmt::format(
               "array {} must be {}, found {}",
               quoted(key),
               value_type_name(type_of<T>()),
               value_type_name(entry->type == ValueType::kArray ? entry->element : entry->type)));
  std::vector<T> out;
  out.reserve(entry->count);
  if constexpr (std::is_same_v<T, std::string_view>) {
    ByteCursor cursor(std::as_bytes(std::span(entry->payload)));
    for (uint64_t i = 0; i < entry->count; ++i)
      out.push_back(cursor.take_text(cursor.take<uint64_t>()));
  } else {
    out.resize(entry->count);
    // An empty vector's data() may be null, which memcpy must not see.
    if (entry->count > 0) std::memcpy(out.data(), entry->payload.data(), entry->count * sizeof(T));
  }
  return out;
}

template std::optional<uint16_t> Metadata::get(std::string_view, int) const;
template std::optional<uint32_t> Metadata::get(std::string_view, int) const;
template std::optional<int32_t> Metadata::get(std::string_view, int) const;
template std::optional<float> Metadata::get(std::string_view, int) const;
template std::optional<bool> Metadata::get(std::string_view, int) const;
template std::optional<std::string> Metadata::get(std::string_view, int) const;
template uint16_t Metadata::require(std::string_view, int) const;
template uint32_t Metadata::require(std::string_view, int) const;
template int32_t Metadata::require(std::string_view, int) const;
template float Metadata::require(std::string_view, int) const;
template std::string Metadata::require(std::string_view, int) const;
template std::optional<std::vector<uint32_t>> Metadata::get_array(std::string_view) const;
template std::optional<std::vector<int32_t>> Metadata::get_array(std::string_view) const;
template std::optional<std::vector<uint8_t>> Metadata::get_array(std::string_view) const;
template std::optional<std::vector<std::string_view>> Metadata::get_array(std::string_view) const;

}  // namespace shoal::loader
