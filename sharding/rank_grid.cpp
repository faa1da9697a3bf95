#include "sharding/rank_grid.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "runtime/base/check.h"

namespace shoal::sharding {

RankGrid::RankGrid(std::vector<int> ep_per_stage) : ep_per_stage_(std::move(ep_per_stage)) {
  SHOAL_ASSERT(!ep_per_stage_.empty(), "a grid has at least one stage");
  first_rank_.push_back(0);
  for (const int ep : ep_per_stage_) {
    SHOAL_ASSERT(ep >= 1, "stage {} has width {}", first_rank_.size() - 1, ep);
    first_rank_.push_back(first_rank_.back() + ep);
  }
}

RankGrid::Place RankGrid::place(int rank) const {
  SHOAL_ASSERT(rank >= 0 && rank < world_size(), "rank {} of {}", rank, world_size());
  const auto next = std::upper_bound(first_rank_.begin(), first_rank_.end(), rank);
  const int stage = static_cast<int>(next - first_rank_.begin()) - 1;
  return {stage, rank - first_rank_[static_cast<size_t>(stage)]};
}

int RankGrid::num_homes() const {
  return *std::max_element(ep_per_stage_.begin(), ep_per_stage_.end());
}

int RankGrid::num_home_groups() const {
  return std::accumulate(
      ep_per_stage_.begin(), ep_per_stage_.end(), 0, [](int a, int b) { return std::gcd(a, b); });
}

}  // namespace shoal::sharding
