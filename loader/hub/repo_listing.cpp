#include "loader/hub/repo_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "loader/hub/repo_name.h"
#include "runtime/base/error.h"

namespace shoal::hub {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxFile = uint64_t{1} << 44;  // keeps sums of a listing inside 64 bits
constexpr size_t kMaxFiles = 100'000;

bool is_sha256(const std::string& text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

const Json* member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const Json* value) {
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

}  // namespace

std::vector<RemoteFile> parse_listing(std::string_view json, const std::string& source) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ExitCode::kBadModel, fmt::format("the file list that {} sent {}", source, why));
  };
  const Json list = Json::parse(json, nullptr, false);
  if (!list.is_array()) refuse("is no JSON list");
  if (list.size() > kMaxFiles) refuse(fmt::format("has {} entries", list.size()));
  std::vector<RemoteFile> files;
  for (const Json& entry : list) {
    if (!entry.is_object()) refuse("has an entry that is no object");
    RemoteFile file;
    file.path = text_of(member(entry, "path"));
    if (text_of(member(entry, "type")) != "file" || !file.path.ends_with(".gguf") ||
        !is_plain_path(file.path))
      continue;
    // A large file's own size stands in `lfs`; the outer one may be that of its pointer.
    const Json* lfs = member(entry, "lfs");
    const bool has_lfs = lfs != nullptr && lfs->is_object();
    const Json* size = member(has_lfs ? *lfs : entry, "size");
    if (size == nullptr || !size->is_number_unsigned() || size->get<uint64_t>() > kMaxFile)
      refuse(fmt::format("gives {} no usable size", file.path));
    file.bytes = size->get<uint64_t>();
    if (has_lfs) file.sha256 = text_of(member(*lfs, "oid"));
    if (!file.sha256.empty() && !is_sha256(file.sha256))
      refuse(fmt::format("gives {} a SHA-256 that is none", file.path));
    files.push_back(std::move(file));
  }
  return files;
}

std::string listing_json(const std::vector<RemoteFile>& files) {
  Json list = Json::array();
  for (const RemoteFile& file : files)
    list.push_back({{"type", "file"},
                    {"path", file.path},
                    {"size", file.bytes},
                    {"lfs", {{"oid", file.sha256}, {"size", file.bytes}}}});
  return list.dump(1) + "\n";
}

}  // namespace shoal::hub
