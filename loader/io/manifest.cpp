#include "loader/io/manifest.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unordered_map>

#include "loader/format/bad_file.h"
#include "loader/format/split_set.h"
#include "loader/io/file_identity.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::loader {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "shoal manifest";
constexpr int kVersion = 1;
constexpr uintmax_t kMaxBytes = 256 << 20;

[[noreturn]] void refuse_manifest(const std::string& path, const std::string& what) {
  refuse(86, {path}, fmt::format("not a manifest: {}", what));
}

uint64_t from_hex(const Json& value) {
  const auto& text = value.get_ref<const std::string&>();
  size_t used = 0;
  const uint64_t number = text.empty() ? 0 : std::stoull(text, &used, 16);
  if (used != text.size() || text.empty()) throw std::invalid_argument("a hash is no number");
  return number;
}

FileSum parse_file(const Json& entry) {
  FileSum file{.name = entry.at("name"),
               .bytes = entry.at("bytes"),
               .sha256 = entry.at("sha256"),
               .header_hash = from_hex(entry.at("header")),
               .sample_hash = from_hex(entry.at("samples"))};
  for (const Json& tensor : entry.at("tensors"))
    file.tensors.push_back({.name = tensor.at("name"),
                            .type = tensor.at("type"),
                            .offset = tensor.at("offset"),
                            .bytes = tensor.at("bytes"),
                            .xxh3 = from_hex(tensor.at("xxh3"))});
  return file;
}

Json to_json(const FileSum& file) {
  Json tensors = Json::array();
  for (const TensorSum& tensor : file.tensors)
    tensors.push_back({{"name", printable(tensor.name)},
                       {"type", tensor.type},
                       {"offset", tensor.offset},
                       {"bytes", tensor.bytes},
                       {"xxh3", fmt::format("{:016x}", tensor.xxh3)}});
  return {{"name", file.name},
          {"bytes", file.bytes},
          {"sha256", file.sha256},
          {"header", fmt::format("{:016x}", file.header_hash)},
          {"samples", fmt::format("{:016x}", file.sample_hash)},
          {"tensors", std::move(tensors)}};
}

void check_types(const FileSum& expected, const ModelFiles& files, int shard) {
  std::unordered_map<std::string, const TensorSum*> by_name;
  for (const TensorSum& tensor : expected.tensors) by_name.emplace(tensor.name, &tensor);
  for (const TensorInfo& tensor : files.directory.tensors()) {
    if (tensor.shard != shard) continue;
    const FilePlace place{files.directory.shards()[static_cast<size_t>(shard)].path,
                          tensor.header_byte};
    const auto known = by_name.find(printable(tensor.name));
    if (known == by_name.end())
      refuse(
          85, place, fmt::format("tensor {} is not in the manifest", loader::quoted(tensor.name)));
    if (known->second->type != dtype_name(tensor.dtype))
      refuse(85,
             place,
             fmt::format("tensor {} is {}, the manifest says {}",
                         loader::quoted(tensor.name),
                         dtype_name(tensor.dtype),
                         printable(known->second->type)));
  }
}

}  // namespace

std::string manifest_path(const ModelFiles& files) {
  const std::string& first = files.directory.shards().front().path;
  if (const auto split = parse_split_name(first)) return split->prefix + ".manifest.json";
  return fs::path(first).replace_extension(".manifest.json").string();
}

std::optional<Manifest> read_manifest(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  if (!fs::is_regular_file(path, error)) refuse_manifest(path, "not a regular file");
  if (fs::file_size(path, error) > kMaxBytes) refuse_manifest(path, "larger than 256 MiB");
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  const Json json = Json::parse(text.str(), nullptr, false);
  try {
    if (json.at("format") != kFormat || json.at("version") != kVersion)
      refuse_manifest(path, fmt::format("its format is not '{}' of version {}", kFormat, kVersion));
    Manifest manifest;
    for (const Json& file : json.at("files")) manifest.files.push_back(parse_file(file));
    return manifest;
  } catch (const Json::exception& problem) {
    refuse_manifest(path, printable(problem.what(), 200));
  } catch (const std::logic_error&) {  // std::stoull
    refuse_manifest(path, "a hash is not a hexadecimal number");
  }
}

void write_manifest(const Manifest& manifest, const std::string& path) {
  Json files = Json::array();
  for (const FileSum& file : manifest.files) files.push_back(to_json(file));
  const std::string text =
      Json{{"format", kFormat}, {"version", kVersion}, {"files", std::move(files)}}.dump(1) + "\n";
  const std::string beside = path + ".part";
  std::ofstream out(beside, std::ios::binary);
  out << text;
  out.close();
  if (!out.good() || std::rename(beside.c_str(), path.c_str()) != 0)
    throw_errno(ExitCode::kUnexpected, fmt::format("writing {}", printable(path, 200)));
}

void check_against(const Manifest& manifest, const ModelFiles& files) {
  const std::vector<ShardFile>& shards = files.directory.shards();
  if (manifest.files.size() != shards.size())
    refuse(
        86,
        {shards.front().path},
        fmt::format("the set has {} files, its manifest {}", shards.size(), manifest.files.size()));
  const std::vector<FileIdentity> found = identify(files);
  for (size_t i = 0; i < shards.size(); ++i) {
    const FileSum& expected = manifest.files[i];
    check_types(expected, files, static_cast<int>(i));
    const auto differs = [&](const char* what, uint64_t is, uint64_t should_be) {
      if (is == should_be) return;
      refuse(86,
             {shards[i].path},
             fmt::format("shard {} does not match the manifest ({} {:016x}, expected {:016x}); run "
                         "`shoal verify`",
                         i + 1,
                         what,
                         is,
                         should_be));
    };
    if (expected.bytes != found[i].bytes)
      refuse(86,
             {shards[i].path},
             fmt::format("shard {} does not match the manifest ({} bytes, expected {})",
                         i + 1,
                         grouped(found[i].bytes),
                         grouped(expected.bytes)));
    differs("header", found[i].header_hash, expected.header_hash);
    differs("samples", found[i].sample_hash, expected.sample_hash);
  }
}

void check_against_manifest(const ModelFiles& files) {
  if (files.files.empty()) return;
  if (const auto manifest = read_manifest(manifest_path(files))) check_against(*manifest, files);
}

}  // namespace shoal::loader
