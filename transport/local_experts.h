// ExpertAllToAll of a group of one: rows are grouped by expert, nothing travels.
#pragma once
#include "transport/combine_sum.h"
#include "transport/expert_all_to_all.h"
#include "transport/expert_grouping.h"
#include "transport/routing_table.h"

namespace shoal::transport {

class LocalExperts final : public ExpertAllToAll {
 public:
  LocalExperts(const sharding::ExpertPlacement& placement, AllToAllShape shape);

  bool rows_travel() const override { return false; }
  DispatchHandle start_dispatch(const Routing& routing, const Exec& exec) override;
  ExpertRows finish_dispatch(DispatchHandle& handle, const Exec& exec) override;
  void combine(DispatchHandle&& handle,
               TensorView expert_out,
               TensorView residual,
               const Exec& exec) override;

 private:
  sharding::ExpertPlacement placement_;
  AllToAllShape shape_;
  RoutingTable table_;
  ExpertGrouping grouping_;
  CombineSum sum_;
};

}  // namespace shoal::transport
