// Which rank sits where: pipeline stages, each with its own expert-parallel width.
//   widths {3, 2}: ranks 0 1 2 are stage 0, ranks 3 4 are stage 1.
#pragma once
#include <cstddef>
#include <vector>

namespace shoal::sharding {

class RankGrid {
 public:
  struct Place {
    int stage = 0;
    int ep_rank = 0;
    bool operator==(const Place&) const = default;
  };

  RankGrid() : RankGrid(std::vector<int>{1}) {}
  explicit RankGrid(std::vector<int> ep_per_stage);  // each >= 1

  int world_size() const { return first_rank_.back(); }
  int num_stages() const { return static_cast<int>(ep_per_stage_.size()); }
  int ep(int stage) const { return ep_per_stage_[static_cast<size_t>(stage)]; }
  const std::vector<int>& ep_per_stage() const { return ep_per_stage_; }
  int rank(Place place) const {
    return first_rank_[static_cast<size_t>(place.stage)] + place.ep_rank;
  }
  Place place(int rank) const;

  // The rank that owns the sequences of `home` on a stage: rank({stage, home % ep(stage)}).
  int owner(int stage, int home) const { return rank({stage, home % ep(stage)}); }
  int num_homes() const;  // the widest stage
  // Homes share a pool of blocks and slots when some stage keeps them on one rank: home % this.
  int num_home_groups() const;  // gcd of the widths

  bool operator==(const RankGrid&) const = default;

 private:
  std::vector<int> ep_per_stage_;
  std::vector<int> first_rank_;  // num_stages + 1 entries; the last is the world size
};

}  // namespace shoal::sharding
