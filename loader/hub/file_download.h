// One file of a repository into the cache: resumed, tried again, checked, then named.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>

#include "loader/hub/repo_client.h"

namespace shoal::hub {

// What the download threads share. `bytes` counts what lies in files, whole or partial.
struct PullState {
  std::atomic<int64_t> bytes = 0;     // of the wanted files, on disk now
  std::atomic<uint64_t> fetched = 0;  // that came over the network, thrown away ones included
  std::atomic<bool> cancelled = false;
};

// Leaves `path` whole: right size, right SHA-256. Bytes of an earlier try are kept and checked with
// the rest. Returns early when state.cancelled. Throws Error: request (6) when no endpoint gives
// the bytes, kBadModel (3) when what they give has another size or hash, kDoesNotFit (5) when the
// disk is full, kStartup (4) when another process holds the file and stands still.
void download_file(const HubSettings& settings,
                   const RepoName& repo,
                   const RemoteFile& file,
                   const std::string& path,
                   PullState& state);

}  // namespace shoal::hub
