// Builds GGUF files in memory, valid ones and ones that lie: every count and offset can be set by
// hand. Independent of the reader: it writes the format's layout from its description.
#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace shoal::loader::testing {

template <class T>
std::string raw(T value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

inline std::string text(const std::string& value) { return raw(uint64_t{value.size()}) + value; }

// One metadata entry: key, id of the value's type, bytes of the value.
inline std::string entry(const std::string& key, uint32_t type, const std::string& value) {
  return text(key) + raw(type) + value;
}
inline std::string array_of(uint32_t element, uint64_t count, const std::string& elements) {
  return raw(element) + raw(count) + elements;
}
inline std::string texts(const std::vector<std::string>& values) {
  std::string elements;
  for (const std::string& value : values) elements += text(value);
  return array_of(8, values.size(), elements);
}

struct TensorSpec {
  std::string name;
  std::vector<int64_t> ne;
  uint32_t type = 0;               // f32
  uint64_t bytes = 0;              // 0: four times the product of ne
  std::optional<uint64_t> offset;  // instead of the right one
  std::string data = {};           // what lies there; empty: zeros

  uint64_t size() const {
    if (bytes != 0) return bytes;
    return std::accumulate(ne.begin(), ne.end(), uint64_t{4}, std::multiplies<>());
  }
};

struct GgufFile {
  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t alignment = 32;  // how the data is laid out, whatever the metadata say
  std::vector<std::pair<std::string, std::pair<uint32_t, std::string>>> entries;
  std::vector<TensorSpec> tensors;
  std::optional<uint64_t> num_tensors, num_entries;  // instead of the right ones

  void put(const std::string& key, uint32_t type, const std::string& value) {
    for (auto& [name, typed] : entries)
      if (name == key) {
        typed = {type, value};
        return;
      }
    entries.push_back({key, {type, value}});
  }
  void u16(const std::string& key, uint16_t value) { put(key, 2, raw(value)); }
  void u32(const std::string& key, uint32_t value) { put(key, 4, raw(value)); }
  void i32(const std::string& key, int32_t value) { put(key, 5, raw(value)); }
  void f32(const std::string& key, float value) { put(key, 6, raw(value)); }
  void string(const std::string& key, const std::string& value) { put(key, 8, text(value)); }
  void erase(const std::string& key) {
    std::erase_if(entries, [&](const auto& item) { return item.first == key; });
  }
  TensorSpec& tensor(const std::string& name) {
    for (TensorSpec& spec : tensors)
      if (spec.name == name) return spec;
    tensors.push_back({.name = name});
    return tensors.back();
  }
  void erase_tensor(const std::string& name) {
    std::erase_if(tensors, [&](const TensorSpec& spec) { return spec.name == name; });
  }

  std::string header() const {
    std::string out = magic + raw(version) + raw(num_tensors.value_or(tensors.size())) +
                      raw(num_entries.value_or(entries.size()));
    for (const auto& [key, typed] : entries) out += entry(key, typed.first, typed.second);
    uint64_t offset = 0;
    for (const TensorSpec& spec : tensors) {
      out += text(spec.name) + raw(static_cast<uint32_t>(spec.ne.size()));
      for (const int64_t ne : spec.ne) out += raw(ne);
      out += raw(spec.type) + raw(spec.offset.value_or(offset));
      offset += padded(spec.size());
    }
    return out;
  }
  // Where the value of an entry starts.
  uint64_t value_byte(const std::string& wanted) const {
    uint64_t position = 24;
    for (const auto& [key, typed] : entries) {
      position += 8 + key.size() + 4;
      if (key == wanted) return position;
      position += typed.second.size();
    }
    return position;
  }
  std::string bytes() const {
    std::string out = header();
    if (tensors.empty()) return out;
    out.resize(padded(out.size()));
    for (const TensorSpec& spec : tensors) {
      const size_t begin = out.size();
      out.resize(begin + padded(spec.size()));
      out.replace(begin, spec.data.size(), spec.data);
    }
    return out;
  }

 private:
  uint64_t padded(uint64_t size) const { return (size + alignment - 1) / alignment * alignment; }
};

inline std::span<const std::byte> as_file(const std::string& bytes) {
  return std::as_bytes(std::span(bytes));
}

}  // namespace shoal::loader::testing
