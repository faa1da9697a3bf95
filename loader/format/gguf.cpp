#include "loader/format/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "loader/format/bad_file.h"
#include "loader/format/byte_cursor.h"
#include "loader/format/header_hash.h"
#include "loader/format/metadata_reader.h"
#include "loader/format/tensor_reader.h"
#include "runtime/base/printable.h"

namespace shoal::loader {
namespace {

constexpr uint64_t kHeaderBytes = 24;  // magic, version, tensor count, metadata count
constexpr std::array<unsigned char, 4> kMagic = {'G', 'G', 'U', 'F'};
constexpr uint32_t kMaxAlignment = 1 << 20;
constexpr uint32_t kDefaultAlignment = 32;

std::string hex(const std::array<unsigned char, 4>& bytes) {
  return fmt::format("{:02x} {:02x} {:02x} {:02x}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

void check_magic(ByteCursor& cursor, const std::string& path) {
  const auto magic = cursor.take<std::array<unsigned char, 4>>();
  if (magic != kMagic)
    refuse(3,
           {path},
           fmt::format("not a GGUF file: magic is {}, expected {}", hex(magic), hex(kMagic)));
}

void check_version(uint32_t version, const std::string& path) {
  const FilePlace place{path, sizeof(kMagic)};
  if (version == 0) refuse(4, place, "version 0 is not valid; versions 2 and 3 are supported");
  if (version == 1) refuse(5, place, "version 1 is too old; convert it again");
  if ((version & 0xffff) == 0)
    refuse(7, place, "file is big-endian; only little-endian is supported");
  if (version > 3)
    refuse(6, place, fmt::format("version {} is newer than this program (3)", version));
}

uint64_t read_alignment(const Metadata& metadata) {
  constexpr const char* kKey = "general.alignment";
  const uint32_t alignment = metadata.get<uint32_t>(kKey, 34).value_or(kDefaultAlignment);
  if (alignment == 0)
    refuse(32,
           metadata.place(kKey),
           fmt::format("alignment 0; a power of two from 1 to {} is required", kMaxAlignment));
  if (alignment > kMaxAlignment)
    refuse(
        35, metadata.place(kKey), fmt::format("alignment {} exceeds {}", alignment, kMaxAlignment));
  if ((alignment & (alignment - 1)) != 0)
    refuse(33, metadata.place(kKey), fmt::format("alignment {} is not a power of two", alignment));
  return alignment;
}

uint64_t align_up(uint64_t position, uint64_t alignment) {
  return (position + alignment - 1) / alignment * alignment;
}

// Two shards joined into one file would be read as the first alone, silently.
void refuse_joined_files(std::span<const std::byte> bytes,
                         uint64_t data_end,
                         const ShardHeader& header) {
  for (const uint64_t position : {data_end, align_up(data_end, header.alignment)}) {
    if (position + kHeaderBytes > bytes.size()) continue;
    if (std::memcmp(bytes.data() + position, kMagic.data(), kMagic.size()) != 0) continue;
    refuse(87,
           {header.file.path, position},
           fmt::format("{} of data after the last tensor, starting with another GGUF header",
                       human_bytes(bytes.size() - position)));
  }
}

}  // namespace

ShardHeader parse_shard(std::span<const std::byte> file_bytes, const std::string& path) {
  if (file_bytes.empty()) refuse(1, {path}, "file is empty; a GGUF header needs 24 bytes");
  if (file_bytes.size() < kHeaderBytes)
    refuse(
        2,
        {path},
        fmt::format(
            "file ends inside the header ({} bytes); needs {}", file_bytes.size(), kHeaderBytes));
  ByteCursor cursor(file_bytes);
  check_magic(cursor, path);
  ShardHeader header;
  header.version = cursor.take<uint32_t>();
  check_version(header.version, path);
  const auto num_tensors = cursor.take<uint64_t>();
  const auto num_entries = cursor.take<uint64_t>();
  check_tensor_count(num_tensors, cursor, path);
  header.metadata = read_metadata(cursor, num_entries, path);
  header.alignment = read_alignment(header.metadata);
  header.tensors = read_tensor_infos(cursor, num_tensors, path);

  header.file.path = path;
  header.file.bytes = file_bytes.size();
  header.file.data_offset = file_bytes.size();
  uint64_t data_end = cursor.position();
  if (num_tensors > 0) {
    header.file.data_offset = align_up(cursor.position(), header.alignment);
    if (header.file.data_offset > file_bytes.size())
      refuse(72, {path, cursor.position()}, "file ends before the tensor data");
    data_end = place_tensors(
        header.tensors, {header.file.data_offset, header.alignment, file_bytes.size()}, path);
  }
  refuse_joined_files(file_bytes, data_end, header);
  // Padding and whatever follows a header without tensors say nothing about the model.
  header.file.header_hash = hash_bytes(kHashStart, file_bytes.first(cursor.position()));
  return header;
}

}  // namespace shoal::loader
