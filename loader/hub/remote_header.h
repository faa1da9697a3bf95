// A model's headers read from the hub by range, so that a plan can be made before any weights are
// fetched, and a rank fetches only the shards that it owns.
#pragma once
#include "loader/format/split_set.h"
#include "loader/hub/hub_settings.h"
#include "loader/hub/pull.h"

namespace shoal::hub {

// Reads 1 MiB of each shard, more where its header is longer. What comes is checked as a file's
// header is, but not against the SHA-256 of the whole. Throws Error (request), ModelFileError.
loader::ParsedModel read_remote_headers(const HubSettings& settings,
                                        const RepoName& repo,
                                        const QuantSet& set);

}  // namespace shoal::hub
