// The files of a repository as the hub's tree lists them: JSON to checked values. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::hub {

struct RemoteFile {
  std::string path;  // is_plain_path(), ends in .gguf
  uint64_t bytes = 0;
  std::string sha256;  // 64 lower-case hex digits; empty: the server told none

  std::string file_name() const { return path.substr(path.rfind('/') + 1); }
  bool operator==(const RemoteFile&) const = default;
};

// One page of /api/models/REPO/tree/REVISION?recursive=1. Only .gguf files are kept; entries whose
// paths could not become safe paths are passed over. Throws Error (kBadModel) for what is no
// listing; `source` names the server in it.
std::vector<RemoteFile> parse_listing(std::string_view json, const std::string& source);

// The same form, so that a saved listing is read by parse_listing().
std::string listing_json(const std::vector<RemoteFile>& files);

}  // namespace shoal::hub
