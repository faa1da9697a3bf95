#include "tests/tools/gguf_bytes.h"

namespace shoal::tools {

void EntryBytes::start(std::string_view key, uint32_t type) {
  string(key);
  raw(type);
  ++count_;
}

void EntryBytes::string(std::string_view value) {
  raw(uint64_t{value.size()});
  bytes_ += value;
}

void EntryBytes::text(std::string_view key, std::string_view value) {
  start(key, 8);
  string(value);
}

void EntryBytes::texts(std::string_view key, const std::vector<std::string>& values) {
  start(key, 9);
  raw(uint32_t{8});
  raw(uint64_t{values.size()});
  for (const std::string& value : values) string(value);
}

void EntryBytes::i32s(std::string_view key, std::span<const int32_t> values) {
  start(key, 9);
  raw(uint32_t{5});
  raw(uint64_t{values.size()});
  bytes_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

std::string header_bytes(const EntryBytes& entries, std::span<const LaidTensor> tensors) {
  std::string out = "GGUF";
  const auto raw = [&out](auto value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  raw(uint32_t{3});
  raw(uint64_t{tensors.size()});
  raw(entries.count());
  out += entries.bytes();
  uint64_t offset = 0;
  for (const LaidTensor& tensor : tensors) {
    raw(uint64_t{tensor.name.size()});
    out += tensor.name;
    raw(static_cast<uint32_t>(tensor.ne.size()));
    for (const int64_t ne : tensor.ne) raw(ne);
    raw(static_cast<uint32_t>(tensor.dtype));
    raw(offset);
    offset += aligned(tensor.bytes);
  }
  if (!tensors.empty()) out.resize(aligned(out.size()));
  return out;
}

}  // namespace shoal::tools
