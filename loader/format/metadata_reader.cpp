#include "loader/format/metadata_reader.h"

#include <fmt/format.h>

#include <unordered_map>

#include "runtime/base/printable.h"

namespace shoal::loader {
namespace {

class Reader {
 public:
  Reader(ByteCursor& cursor, uint64_t count, const std::string& file)
      : cursor_(cursor), count_(count), file_(file) {}

  Metadata read() {
    check_count();
    std::vector<MetadataEntry> entries;
    entries.reserve(count_);
    for (uint64_t i = 0; i < count_; ++i) entries.push_back(read_entry(i));
    return Metadata(file_, std::move(entries), cursor_.position());
  }

 private:
  FilePlace here() const { return {file_, cursor_.position()}; }

  void check_count() const {
    // The smallest entry: key length 8, type 4, one byte of value.
    constexpr uint64_t kMinEntryBytes = 13;
    if (count_ > cursor_.left() / kMinEntryBytes)
      refuse(10,
             here(),
             fmt::format("metadata count {} cannot fit: {} bytes left, at least {} each",
                         count_,
                         grouped(cursor_.left()),
                         kMinEntryBytes));
    if (count_ > kMaxMetadataEntries)
      refuse(28,
             here(),
             fmt::format("metadata count {} exceeds the limit {}", count_, kMaxMetadataEntries));
  }

  MetadataEntry read_entry(uint64_t index) {
    MetadataEntry entry;
    entry.key = read_key(index);
    if (!cursor_.has(sizeof(uint32_t))) refuse_cut_entry(index);
    const auto type = cursor_.take<uint32_t>();
    if (type >= kNumValueTypes)
      refuse(19, here(), fmt::format("key {} has unknown type {}", quoted(entry.key), type));
    entry.type = static_cast<ValueType>(type);
    entry.byte = cursor_.position();
    if (entry.type == ValueType::kArray)
      read_array(entry);
    else if (entry.type == ValueType::kString)
      entry.payload = read_string(entry.key);
    else
      read_number(entry);
    return entry;
  }

  std::string read_key(uint64_t index) {
    if (!cursor_.has(sizeof(uint64_t))) refuse_cut_entry(index);
    const FilePlace start = here();
    const auto length = cursor_.take<uint64_t>();
    if (length > kMaxKeyBytes && !cursor_.has(length))
      refuse(13, start, fmt::format("key length {} exceeds the {} allowed", length, kMaxKeyBytes));
    if (length > kMaxKeyBytes)
      refuse(16, start, fmt::format("key length {} exceeds {}", length, kMaxKeyBytes));
    if (!cursor_.has(length))
      refuse(
          14,
          start,
          fmt::format("key length {} exceeds the {} bytes left", length, grouped(cursor_.left())));
    if (length == 0) refuse(15, start, fmt::format("entry {} has an empty key", index));
    const std::string_view key = cursor_.take_text(length);
    for (size_t i = 0; i < key.size(); ++i) {
      const auto byte = static_cast<unsigned char>(key[i]);
      if (byte < 0x20 || byte > 0x7e)
        refuse(17,
               start,
               fmt::format("key has byte {:#04x} at {}; only printable ASCII is allowed", byte, i));
    }
    const auto [earlier, is_first] = seen_.emplace(key, index);
    if (!is_first)
      refuse(18,
             start,
             fmt::format(
                 "key {} appears twice (entries {} and {})", quoted(key), earlier->second, index));
    return std::string(key);
  }

  std::string read_string(const std::string& key) {
    const std::string_view text = take_string(key);
    return std::string(text);
  }

  std::string_view take_string(const std::string& key) {
    if (!cursor_.has(sizeof(uint64_t))) refuse_cut_value(key);
    const FilePlace start = here();
    const auto length = cursor_.take<uint64_t>();
    if (!cursor_.has(length))
      refuse(25,
             start,
             fmt::format("string length {} exceeds the {} bytes left in the value of {}",
                         length,
                         grouped(cursor_.left()),
                         quoted(key)));
    if (length > kMaxValueBytes)
      refuse(25,
             start,
             fmt::format("string length {} in the value of {}; {} allowed",
                         length,
                         quoted(key),
                         kMaxValueBytes));
    return cursor_.take_text(length);
  }

  void read_number(MetadataEntry& entry) {
    const uint64_t bytes = value_type_bytes(entry.type);
    if (!cursor_.has(bytes)) refuse_cut_value(entry.key);
    entry.payload = cursor_.take_text(bytes);
    if (entry.type == ValueType::kBool) check_booleans(entry);
  }

  void read_array(MetadataEntry& entry) {
    if (!cursor_.has(sizeof(uint32_t) + sizeof(uint64_t))) refuse_cut_value(entry.key);
    const auto element = cursor_.take<uint32_t>();
    if (element == static_cast<uint32_t>(ValueType::kArray))
      refuse(20,
             {file_, entry.byte},
             fmt::format("key {}: nested arrays are not supported", quoted(entry.key)));
    if (element >= kNumValueTypes)
      refuse(21,
             {file_, entry.byte},
             fmt::format("key {}: array element type {} is unknown", quoted(entry.key), element));
    entry.element = static_cast<ValueType>(element);
    entry.count = cursor_.take<uint64_t>();
    const bool is_text = entry.element == ValueType::kString;
    const uint64_t element_bytes = is_text ? sizeof(uint64_t) : value_type_bytes(entry.element);
    if (entry.count > cursor_.left() / element_bytes)
      refuse(22,
             {file_, entry.byte},
             fmt::format("key {}: array of {} elements cannot fit in {} bytes",
                         quoted(entry.key),
                         entry.count,
                         grouped(cursor_.left())));
    const uint64_t begin = cursor_.position();
    check_array_bytes(entry, entry.count * element_bytes);
    if (is_text) {
      for (uint64_t i = 0; i < entry.count; ++i) {
        take_string(entry.key);
        check_array_bytes(entry, cursor_.position() - begin);
      }
    } else {
      cursor_.take_text(entry.count * element_bytes);
    }
    entry.payload = cursor_.text_between(begin, cursor_.position());
    if (entry.element == ValueType::kBool) check_booleans(entry);
  }

  void check_array_bytes(const MetadataEntry& entry, uint64_t bytes) const {
    if (bytes > kMaxValueBytes)
      refuse(22,
             {file_, entry.byte},
             fmt::format("key {}: array of {} elements has more than the {} bytes allowed",
                         quoted(entry.key),
                         entry.count,
                         kMaxValueBytes));
  }

  void check_booleans(const MetadataEntry& entry) const {
    for (const char value : entry.payload)
      if (static_cast<unsigned char>(value) > 1)
        refuse(26,
               {file_, entry.byte},
               fmt::format("key {}: boolean is {}; 0 or 1 expected",
                           quoted(entry.key),
                           static_cast<unsigned char>(value)));
  }

  [[noreturn]] void refuse_cut_entry(uint64_t index) const {
    refuse(11, here(), fmt::format("file ends inside metadata entry {} of {}", index, count_));
  }

  [[noreturn]] void refuse_cut_value(const std::string& key) const {
    refuse(27, here(), fmt::format("file ends inside the value of {}", quoted(key)));
  }

  ByteCursor& cursor_;
  uint64_t count_;
  const std::string& file_;
  std::unordered_map<std::string_view, uint64_t> seen_;  // views into the file's bytes
};

}  // namespace

Metadata read_metadata(ByteCursor& cursor, uint64_t count, const std::string& file) {
  return Reader(cursor, count, file).read();
}

}  // namespace shoal::loader
