// The machines of a cluster file, or of a short form on the command line, as the planner counts
// them.
#pragma once
#include <string>

#include "launch/cluster_file.h"
#include "sharding/hardware.h"

namespace shoal::launch {

// Throws Error (usage) for a host whose device is not said, or has no memory or rate.
sharding::ClusterHardware hardware_of(const ClusterFile& cluster);

// "8xh100", "2x8xh100": so many hosts of so many devices of a kind. Throws Error (usage).
sharding::ClusterHardware hardware_named(const std::string& text);

}  // namespace shoal::launch
