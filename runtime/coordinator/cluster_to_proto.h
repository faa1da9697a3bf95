// The state of the ranks and of live requests as protos. For every service that shows them.
#pragma once
#include "runtime/coordinator/coordinator.h"
#include "runtime/coordinator/request_ledger.h"
#include "shoal/v1/cluster_service.pb.h"
#include "shoal/v1/inference_service.pb.h"

namespace shoal::coordinator {

v1::GetClusterResponse to_proto(const ClusterStatus& status);
v1::Load load_of(const ClusterStatus& status);
v1::RequestInfo to_proto(const LiveRequest& request);

}  // namespace shoal::coordinator
