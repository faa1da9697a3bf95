// A model's files from a hub into the cache, several at once: what -hf and `shoal pull` do.
// Blocks; call it before other threads exist that a fork must not meet (its own are gone when it
// returns or throws).
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "loader/hub/hub_settings.h"
#include "loader/hub/quant_set.h"

namespace shoal::hub {

struct FoundSet {
  QuantSet set;
  std::string folder;       // where it lies, or will
  bool from_cache = false;  // no server was asked, or none answered: `note` says so
  std::string note;
};

// Lists the repository and chooses. `path` names a file of the set, or is empty. Throws Error.
FoundSet find_set(const HubSettings& settings, const RepoName& repo, const std::string& path);

struct Progress {
  uint64_t bytes = 0, total = 0;  // on disk, and what it comes to
  uint64_t resumed = 0;           // were there at the start
};

struct Pulled {
  std::vector<std::string> paths;  // of the wanted files, in shard order
  uint64_t bytes = 0;              // of them
  uint64_t fetched = 0;            // of these came over the network now
};

// Makes the files [indices of found.set.files] whole; all of them when `wanted` is empty. `show` is
// called on this thread about every 200 ms while bytes are missing, and at the end. Throws Error:
// see download_file(); the first one of several stops the others.
Pulled pull(const HubSettings& settings,
            const RepoName& repo,
            const FoundSet& found,
            const std::vector<int>& wanted,
            const std::function<void(const Progress&)>& show);

}  // namespace shoal::hub
