// One rank's routing, sorted by destination: which token rows go to which rank of the group, and
// where each (token, k) finds its result. Pure; reused from step to step without allocation.
//   topk_ids {{0, 5}, {5, 4}}, experts 0-3 on ep rank 0, 4-7 on ep rank 1:
//   to(0): tokens {0}, pairs {row 0 expert 0};  to(1): tokens {0, 1},
//   pairs {row 0 expert 1}, {row 1 expert 1}, {row 1 expert 0};  home(1, 1) = {1, 2}
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "sharding/expert_placement.h"

namespace shoal::transport {

// One row times one expert of the rank that it travels to.
struct RowExpertPair {
  int32_t row = 0;  // among the rows sent to that rank
  int32_t local_expert_idx = 0;
  bool operator==(const RowExpertPair&) const = default;
};

class RoutingTable {
 public:
  struct Destination {
    std::vector<int32_t> tokens;       // rows sent, rising
    std::vector<RowExpertPair> pairs;  // by row, then in the router's order
  };
  struct Home {
    int32_t ep_rank = 0, pair_idx = 0;
    bool operator==(const Home&) const = default;
  };

  // topk_ids: [num_tokens, num_topk], each a valid expert id (assert).
  void build(std::span<const int32_t> topk_ids,
             int num_topk,
             const sharding::ExpertPlacement& placement,
             int own_ep_rank);

  const Destination& to(int ep_rank) const { return destinations_[static_cast<size_t>(ep_rank)]; }
  Home home(int64_t token, int k) const {
    return homes_[static_cast<size_t>(token * num_topk_ + k)];
  }
  int num_topk() const { return num_topk_; }

 private:
  int num_topk_ = 0;
  std::vector<Destination> destinations_;  // by ep rank
  std::vector<Home> homes_;                // [num_tokens, num_topk]
};

}  // namespace shoal::transport
