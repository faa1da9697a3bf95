#include "loader/format/split_set.h"

#include <fmt/format.h>

#include "runtime/base/check.h"
#include "runtime/base/printable.h"

namespace shoal::loader {
namespace {

constexpr std::string_view kExtension = ".gguf";
constexpr std::string_view kOf = "-of-";
constexpr size_t kDigits = 5;

std::optional<int> five_digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// split.count of the first shard, checked against the number of files.
void check_first_shard(const ShardHeader& first, size_t num_files) {
  const Metadata& metadata = first.metadata;
  metadata.require<std::string>("general.architecture");
  const std::optional<uint16_t> count = metadata.get<uint16_t>("split.count", 82);
  const FilePlace place = metadata.place("split.count");
  if (count == uint16_t{0}) refuse(83, place, "split.count 0; at least 1 is required");
  if (num_files == 1 && count.value_or(1) > 1)
    refuse(81,
           place,
           fmt::format("{} is one of {} shards by its split.count, but its name does not end in "
                       "-00001-of-{:05}.gguf",
                       quoted_path(file_name(first.file.path)),
                       *count,
                       *count));
  if (num_files > 1 && !count)
    refuse(
        80, place, fmt::format("file names say {} shards, shard 1 has no split.count", num_files));
  if (num_files > 1 && *count != num_files)
    refuse(80, place, fmt::format("file names say {} shards, shard 1 says {}", num_files, *count));
}

void check_number(const ShardHeader& header, size_t index) {
  const auto number = header.metadata.require<uint16_t>("split.no", 82);
  if (number != index)
    refuse(
        81,
        header.metadata.place("split.no"),
        fmt::format("{} contains shard {}", quoted_path(file_name(header.file.path)), number + 1));
}

void check_same_count(const ShardHeader& header, const ShardHeader& first, size_t index) {
  const std::optional<uint16_t> count = header.metadata.get<uint16_t>("split.count", 82);
  const std::optional<uint16_t> expected = first.metadata.get<uint16_t>("split.count", 82);
  if (count && count != expected)
    refuse(80,
           header.metadata.place("split.count"),
           fmt::format("shard {} says {} shards, shard 1 says {}", index + 1, *count, *expected));
}

void check_tensor_total(const std::vector<ShardHeader>& headers) {
  size_t total = 0;
  for (const ShardHeader& header : headers) total += header.tensors.size();
  headers.front().metadata.require<int32_t>("split.tensors.count", 82);
  for (const ShardHeader& header : headers) {
    const std::optional<int32_t> said = header.metadata.get<int32_t>("split.tensors.count", 82);
    if (said && (*said < 0 || static_cast<size_t>(*said) != total))
      refuse(84,
             header.metadata.place("split.tensors.count"),
             fmt::format("model says {} tensors, shards hold {}",
                         *said < 0 ? std::to_string(*said) : grouped(static_cast<uint64_t>(*said)),
                         grouped(total)));
  }
}

}  // namespace

std::optional<SplitName> parse_split_name(std::string_view path) {
  const size_t tail = 1 + kDigits + kOf.size() + kDigits + kExtension.size();
  if (path.size() <= tail) return std::nullopt;
  const std::string_view end = path.substr(path.size() - tail);
  if (end[0] != '-' || end.substr(1 + kDigits, kOf.size()) != kOf ||
      end.substr(tail - kExtension.size()) != kExtension)
    return std::nullopt;
  const std::optional<int> number = five_digits(end.substr(1, kDigits));
  const std::optional<int> count = five_digits(end.substr(1 + kDigits + kOf.size(), kDigits));
  if (!number || !count || *number < 1 || *number > *count) return std::nullopt;
  return SplitName{std::string(path.substr(0, path.size() - tail)), *number, *count};
}

std::string split_path(const std::string& prefix, int number, int count) {
  return fmt::format("{}-{:05}{}{:05}{}", prefix, number, kOf, count, kExtension);
}

std::vector<std::string> split_paths(const std::string& path) {
  const std::optional<SplitName> name = parse_split_name(path);
  if (!name) return {path};
  std::vector<std::string> paths;
  for (int i = 1; i <= name->count; ++i) paths.push_back(split_path(name->prefix, i, name->count));
  return paths;
}

void refuse_missing_shard(const std::string& path) {
  const std::optional<SplitName> name = parse_split_name(path);
  SHOAL_ASSERT(name, "{}", path);
  refuse(name->number == 1 ? 79 : 78,
         {path},
         fmt::format("shard {} of {} is missing: {}{}",
                     name->number,
                     name->count,
                     quoted_path(file_name(path)),
                     name->number == 1 ? " (it holds the metadata)" : ""));
}

ParsedModel join_shards(std::vector<ShardHeader> headers) {
  SHOAL_ASSERT(!headers.empty(), "a model without files");
  check_first_shard(headers.front(), headers.size());
  if (headers.size() > 1) {
    for (size_t i = 0; i < headers.size(); ++i) {
      check_number(headers[i], i);
      check_same_count(headers[i], headers.front(), i);
    }
    check_tensor_total(headers);
  }
  std::vector<ShardFile> shards;
  std::vector<TensorInfo> tensors;
  for (ShardHeader& header : headers) {
    for (TensorInfo& tensor : header.tensors) {
      tensor.shard = static_cast<int>(shards.size());
      tensors.push_back(std::move(tensor));
    }
    shards.push_back(header.file);
  }
  return {std::move(headers.front().metadata),
          TensorDirectory(std::move(shards), std::move(tensors))};
}

}  // namespace shoal::loader
