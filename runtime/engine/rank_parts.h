// What the steps of one rank work with; owned by RankEngine.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"
#include "runtime/device/queue.h"
#include "runtime/engine/output_constraints.h"
#include "runtime/model/cache_pools.h"
#include "runtime/model/model.h"
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
  std::vector<int32_t> masked_ids;  // never sampled; rising
  OutputConstraints& constraints;
};

}  // namespace shoal::engine
