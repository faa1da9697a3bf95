// What the steps of one rank work with; owned by RankEngine.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"
#include "runtime/device/queue.h"
#include "runtime/engine/output_constraints.h"
#include "runtime/model/cache_pools.h"
#include "runtime/model/model.h"
#include "transport/device_comm.h"
#include "transport/expert_all_to_all.h"
#include "transport/host_comm.h"

namespace shoal::engine {

struct RankParts {
  const loader::ModelConfig& config;
  const sharding::ShardPlan& plan;
  transport::HostComm& comm;
  const model::Model& model;
  model::CachePools& pools;
  ThreadPool& pool;
  const kernels::KernelTable& kernels;
  const device::Queue& queue;
  const transport::ExpertAllToAll& experts;
  transport::DeviceComm* device_comm;  // null where one rank computes, or the CPU's steps run
  std::vector<int32_t> masked_ids;     // never sampled; rising
  OutputConstraints& constraints;
};

}  // namespace shoal::engine
