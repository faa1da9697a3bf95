// The key-value part of a GGUF header, owned and already checked: keys are unique printable ASCII,
// values lie inside the file, booleans are 0 or 1, arrays are flat. Values stay as the file's
// bytes until somebody asks for them with a type; a value of another type is refused by name.
// Immutable after reading: any number of threads may look things up.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loader/format/bad_file.h"

namespace shoal::loader {

// Ids of the format.
enum class ValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
inline constexpr uint32_t kNumValueTypes = 13;

std::string_view value_type_name(ValueType type);  // "u32", "string", ...
uint64_t value_type_bytes(ValueType type);         // of numbers and booleans; 0 for the others

struct MetadataEntry {
  std::string key;
  ValueType type = ValueType::kU8;
  ValueType element = ValueType::kU8;  // of an array
  uint64_t count = 0;                  // elements of an array
  uint64_t byte = 0;                   // where the value starts in the file
  std::string payload;                 // a string's text, an array's elements, a number's bytes
};

class Metadata {
 public:
  Metadata() = default;
  // `end_byte`: where the last value ends, the place named when a key is missing.
  Metadata(std::string file, std::vector<MetadataEntry> entries, uint64_t end_byte);

  const std::string& file() const { return file_; }
  const std::vector<MetadataEntry>& entries() const { return entries_; }
  const MetadataEntry* find(std::string_view key) const;  // null when absent

  // Scalars: T is uint16_t, uint32_t, int32_t, float, bool or std::string. Empty when the key is
  // absent; refused as GGUF-`number` when the file gives it another type.
  template <class T>
  std::optional<T> get(std::string_view key, int number = 30) const;
  // The same, refused as GGUF-29 when absent.
  template <class T>
  T require(std::string_view key, int number = 30) const;

  // Any number as a double, for keys that only advise.
  std::optional<double> number(std::string_view key) const;

  // Arrays: T is uint32_t, int32_t, bool (as uint8_t) or std::string_view. The views point into
  // this object. Empty optional when absent; GGUF-42 when the elements are of another type.
  template <class T>
  std::optional<std::vector<T>> get_array(std::string_view key) const;

  // The place of a key's value; of the end of the metadata when it is absent.
  FilePlace place(std::string_view key) const;

 private:
  std::string file_;
  std::vector<MetadataEntry> entries_;
  std::unordered_map<std::string, size_t> by_key_;
  uint64_t end_byte_ = 0;
};

}  // namespace shoal::loader
