// On which host of a cluster file each rank runs. Pure.
#pragma once
#include <string>
#include <vector>

#include "launch/cluster_file.h"

namespace shoal::launch {

// One name a rank, in rank order; empty where the file names no host (all run on this machine).
// A stage that names its host is there. Others keep together on the first host with room for all
// of them, else spread over hosts in the file's order. A host without 'slots' takes its even share.
// Throws Error (usage) when the ranks do not fit.
std::vector<std::string> hosts_of_ranks(const ClusterFile& cluster);

}  // namespace shoal::launch
