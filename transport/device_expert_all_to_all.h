// ExpertAllToAll of several ranks on a backend with memory of its own: the routing never reaches
// the host where a step is small, so that a decode step stays one recorded whole.
//
//   start    every rank's rows and routing go to every rank of the group (with top-k of 4 to 10
//            nearly every rank needs nearly every row), token_capacity rows from each
//   finish   each rank finds the pairs that its experts serve, and groups their rows by expert
//   combine  outputs go back, a row a pair, in the order of the owner's pairs; the owner adds them
//            in the router's order
// Messages of combine are as long as they can become where that is short (fixed_capacity); else
// their exact sizes are read by the host, one wait a layer, while the experts compute.
#pragma once
#include <vector>

#include "kernels/kernel_table.h"
#include "runtime/device/memory.h"
#include "transport/device_comm.h"
#include "transport/expert_all_to_all.h"

namespace shoal::transport {

class DeviceExpertAllToAll final : public ExpertAllToAll {
 public:
  // group_ranks[i] is the DeviceComm rank of ep rank i. `queue` carries the steps.
  DeviceExpertAllToAll(DeviceComm& comm,
                       const device::Queue& queue,
                       std::vector<int> group_ranks,
                       const sharding::ExpertPlacement& placement,
                       AllToAllShape shape);

  bool recordable(int token_capacity) const override;
  bool take_shared(TensorView rows, const float* gate) override;
  DispatchHandle start_dispatch(const Routing& routing, const Exec& exec) override;
  ExpertRows finish_dispatch(DispatchHandle& handle, const Exec& exec) override;
  void combine(DispatchHandle&& handle,
               TensorView expert_out,
               TensorView residual,
               const Exec& exec) override;

 private:
  // Pairs sorted by something, with what it is by pair.
  struct Sorted {
    device::Memory memory;
    kernels::RowGroups groups;
    int32_t* ids = nullptr;
  };
  Sorted make_sorted(int num_groups, int64_t max_rows) const;
  // The pairs of `from` by what `table` says of their ids.
  void sort(Sorted& sorted, TensorView from, const int32_t* table, const Exec& exec);
  void place(const Sorted& sorted, const Exec& exec) const;
  TensorView ids_view(int32_t* ids, int64_t rows) const {
    return view_i32(ids, rows, shape_.num_topk);
  }
  int64_t pairs_a_message() const;  // combine's, at fixed capacity
  void gather_rows(const Routing& routing);
  void exchange_outputs(const Exec& exec);

  DeviceComm& comm_;
  const device::Queue& queue_;
  const kernels::KernelTable& kernels_;
  std::vector<int> group_ranks_;
  AllToAllShape shape_;
  int ep_ = 1, ep_rank_ = 0;
  int most_experts_ = 0;  // of any rank of the group

  device::Memory tables_;                    // who serves an expert, from everybody's view
  const int32_t* rank_of_expert_ = nullptr;  // [num_experts], for own pairs
  const int32_t* expert_here_ = nullptr;     // [ep, num_experts] local index or -1, by source
  const int32_t* source_if_here_ = nullptr;  // [ep, num_experts] source or -1
  int num_experts_ = 0;

  device::Memory own_ids_, all_ids_;  // [capacity, num_topk], [ep * capacity, num_topk]
  Sorted by_destination_, by_expert_, by_source_;
  device::Memory values_, scales_, sums_;  // of all ranks' rows
  device::Memory send_, receive_;          // combine's rows
  device::Memory host_starts_;             // staging: of by_destination_, of by_source_
  device::Mark starts_arrived_;

  Routing routing_;  // of the dispatch under way; its arrays are the caller's
  TensorView shared_;
  const float* shared_gate_ = nullptr;
};

}  // namespace shoal::transport
