#include "loader/hub/hub_cache.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "loader/hub/partial_file.h"
#include "runtime/base/error.h"
#include "runtime/base/printable.h"

namespace shoal::hub {

HubCache::HubCache(const HubSettings& settings, const RepoName& repo)
    : folder_(fmt::format("{}/models/{}/{}", settings.cache_folder, repo.owner, repo.name)),
      revision_(repo.revision) {}

std::string HubCache::set_folder(const QuantSet& set) const {
  return fmt::format("{}/{}-{}", folder_, set.label, set.fingerprint());
}

std::string HubCache::file_path(const QuantSet& set, const RemoteFile& file) const {
  return set_folder(set) + "/" + file.file_name();
}

std::string HubCache::listing_path() const {
  return fmt::format("{}/listing-{}.json", folder_, revision_);
}

void HubCache::save_listing(const std::vector<RemoteFile>& files) const {
  make_folders(folder_);
  write_whole_file(listing_path(), listing_json(files));
}

std::optional<std::vector<RemoteFile>> HubCache::saved_listing() const {
  std::ifstream file(listing_path(), std::ios::binary);
  if (!file) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return parse_listing(text, listing_path());
}

void HubCache::check_room(const std::string& folder, uint64_t bytes) const {
  struct statvfs disk {};
  if (statvfs(folder.c_str(), &disk) != 0) return;  // then the first write will tell
  const uint64_t room = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (bytes > room)
    throw Error(ExitCode::kDoesNotFit,
                fmt::format("{} are to be fetched, {} has room for {}: free some, or set "
                            "SHOAL_CACHE to another disk",
                            human_bytes(bytes),
                            printable(folder, 300),
                            human_bytes(room)));
}

}  // namespace shoal::hub
