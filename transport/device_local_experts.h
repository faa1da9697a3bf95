// ExpertAllToAll of a group of one on a backend with memory of its own: rows stay where they are,
// and only the device learns which expert takes which. Nothing waits and nothing is allocated
// after construction, so a step can be recorded as a graph.
#pragma once
#include "kernels/kernel_table.h"
#include "runtime/device/memory.h"
#include "transport/expert_all_to_all.h"

namespace shoal::transport {

class DeviceLocalExperts final : public ExpertAllToAll {
 public:
  DeviceLocalExperts(Backend backend, int num_experts, AllToAllShape shape);

  bool rows_travel() const override { return false; }
  bool take_shared(TensorView rows, const float* gate) override;
  const kernels::RowGroups* groups_of(TensorView topk_ids) override;
  DispatchHandle start_dispatch(const Routing& routing, const Exec& exec) override;
  ExpertRows finish_dispatch(DispatchHandle& handle, const Exec& exec) override;
  void combine(DispatchHandle&& handle,
               TensorView expert_out,
               TensorView residual,
               const Exec& exec) override;

 private:
  const kernels::KernelTable& kernels_;
  AllToAllShape shape_;
  device::Memory memory_;
  kernels::RowGroups groups_;
  bool grouped_ = false;  // by the router
  Routing routing_;       // of the dispatch under way; its arrays are the caller's
  TensorView shared_;
  const float* shared_gate_ = nullptr;
};

}  // namespace shoal::transport
