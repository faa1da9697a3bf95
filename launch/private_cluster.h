// A cluster for one command: started, used on a thread of its own, stopped. Nothing of it is left
// afterwards, however the command ends.
#pragma once
#include <functional>

#include "launch/cluster.h"

namespace shoal::launch {

// Main thread, before any other thread exists. `work` runs once every rank is ready; its code is
// returned. A lost rank (7), a cluster that does not come up (4) and a signal (6) are thrown as
// Error, whatever the work made of them.
int run_on_private_cluster(ClusterConfig config, const std::function<int(Cluster&)>& work);

}  // namespace shoal::launch
