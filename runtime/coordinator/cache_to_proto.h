// The prefix cache and the paused sequences of a status, as messages.
#pragma once
#include "runtime/coordinator/coordinator.h"
#include "shoal/v1/cluster_service.pb.h"

namespace shoal::coordinator {

void add_cache(const ClusterStatus& status, v1::Load& load);

}  // namespace shoal::coordinator
