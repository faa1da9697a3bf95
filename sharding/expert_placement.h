// Which rank of a stage holds which experts of a layer. Whole experts, contiguous ranges, the first
// ranks take the remainder: 16 experts on 3 ranks are 6 + 5 + 5.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace shoal::sharding {

struct ExpertSlot {
  int ep_rank = 0;
  int local_expert_idx = 0;
  bool operator==(const ExpertSlot&) const = default;
};

class ExpertPlacement {
 public:
  ExpertPlacement() = default;
  static ExpertPlacement contiguous(int num_experts, int ep);

  int num_experts() const { return static_cast<int>(slots_.size()); }
  int ep() const { return static_cast<int>(experts_.size()); }
  // Where an expert lives; more than one slot means replicas.
  std::span<const ExpertSlot> slots(int expert_id) const {
    return slots_[static_cast<size_t>(expert_id)];
  }
  // Expert ids of a rank, in local index order.
  std::span<const int> experts(int ep_rank) const { return experts_[static_cast<size_t>(ep_rank)]; }

  bool operator==(const ExpertPlacement&) const = default;

 private:
  std::vector<std::vector<ExpertSlot>> slots_;  // by expert id
  std::vector<std::vector<int>> experts_;       // by ep rank
};

}  // namespace shoal::sharding
