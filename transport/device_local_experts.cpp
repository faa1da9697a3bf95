#include "transport/device_local_experts.h"

#include <utility>

#include "runtime/base/check.h"

namespace shoal::transport {
namespace {

size_t num_words(int num_experts, AllToAllShape shape) {
  const auto experts = static_cast<size_t>(num_experts);
  const auto pairs =
      static_cast<size_t>(shape.max_token_capacity) * static_cast<size_t>(shape.num_topk);
  return 4 * experts + (experts + 1) + 2 * pairs;
}

}  // namespace

DeviceLocalExperts::DeviceLocalExperts(Backend backend, int num_experts, AllToAllShape shape)
    : kernels_(kernels::select_kernels(backend)),
      shape_(shape),
      memory_(device::compute_memory(backend), num_words(num_experts, shape) * sizeof(int32_t)) {
  const int64_t max_pairs = int64_t{shape.max_token_capacity} * shape.num_topk;
  groups_.num_experts = num_experts;
  groups_.num_topk = shape.num_topk;
  groups_.active = memory_.as<kernels::ActiveRows>();
  groups_.starts = memory_.as<int32_t>() + 4 * num_experts;
  groups_.row_of_slot = groups_.starts + num_experts + 1;
  groups_.slot_of_pair = groups_.row_of_slot + max_pairs;
}

const kernels::RowGroups* DeviceLocalExperts::groups_of(TensorView topk_ids) {
  groups_.num_pairs = topk_ids.elements();
  grouped_ = true;
  return &groups_;
}

DispatchHandle DeviceLocalExperts::start_dispatch(const Routing& routing, const Exec& exec) {
  SHOAL_ASSERT(
      routing.rows.rows <= shape_.max_token_capacity && routing.topk_ids.cols() == shape_.num_topk,
      "{} rows of {} experts each, for {} and {}",
      routing.rows.rows,
      routing.topk_ids.cols(),
      shape_.max_token_capacity,
      shape_.num_topk);
  routing_ = routing;
  shared_ = {};
  groups_.num_pairs = routing.topk_ids.elements();
  if (groups_.num_pairs > 0 && !std::exchange(grouped_, false))
    kernels_.group_rows({.topk_ids = routing.topk_ids, .groups = groups_}, exec);
  return {};
}

bool DeviceLocalExperts::take_shared(TensorView rows, const float* gate) {
  shared_ = rows;
  shared_gate_ = gate;
  return true;
}

ExpertRows DeviceLocalExperts::finish_dispatch(DispatchHandle&, const Exec&) {
  return {.rows = routing_.rows, .groups = &groups_};
}

void DeviceLocalExperts::combine(DispatchHandle&&,
                                 TensorView expert_out,
                                 TensorView residual,
                                 const Exec& exec) {
  if (groups_.num_pairs == 0) return;
  kernels_.combine_rows({.expert_out = expert_out,
                         .topk_weights = routing_.topk_weights,
                         .slot_of_pair = groups_.slot_of_pair,
                         .shared = shared_,
                         .shared_gate = shared_gate_,
                         .residual = residual},
                        exec);
}

}  // namespace shoal::transport
