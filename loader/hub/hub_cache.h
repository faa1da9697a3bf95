// Where fetched files lie:
//   CACHE/models/OWNER/NAME/LABEL-FINGERPRINT/FILE.gguf           whole and checked
//                                            /FILE.gguf.partial   being fetched, or left by a kill
//                          /listing-REVISION.json                 the last file list, for --offline
// The fingerprint is that of names, sizes and hashes, so a folder's meaning never changes: when a
// repository replaces its files, the next run makes a folder beside it, and a running server keeps
// its own.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "loader/hub/hub_settings.h"
#include "loader/hub/quant_set.h"

namespace shoal::hub {

class HubCache {
 public:
  HubCache(const HubSettings& settings, const RepoName& repo);

  std::string set_folder(const QuantSet& set) const;
  std::string file_path(const QuantSet& set, const RemoteFile& file) const;

  void save_listing(const std::vector<RemoteFile>& files) const;
  std::optional<std::vector<RemoteFile>> saved_listing() const;

  // Refuses (exit 5) when the file system has no room for `bytes` more.
  void check_room(const std::string& folder, uint64_t bytes) const;

 private:
  std::string listing_path() const;
  std::string folder_, revision_;
};

}  // namespace shoal::hub
