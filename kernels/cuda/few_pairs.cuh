// group_rows (kernels/ops/row_groups.h) of few pairs by one thread block: a thread an expert, which
// compares all pairs with its own. For kernels that have the pairs' ids at hand.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/ops/router.h"
#include "kernels/ops/row_groups.h"

namespace shoal::kernels::cuda {

inline constexpr int kFewPairs = 32;

// In shared memory.
struct FewPairs {
  int32_t ids[kFewPairs];
  bool first_of_expert[kFewPairs];
};

// A thread for every expert and one more, for the end of the last one's slots.
inline int few_pairs_threads(const RowGroups& groups) {
  return std::max((groups.num_experts + 32) / 32 * 32, kFewPairs);
}
inline bool has_few_pairs(const RowGroups& groups) {
  return groups.num_pairs <= kFewPairs && few_pairs_threads(groups) <= kMaxExperts;
}

// The whole thread block calls it; no barrier is needed between the writing of pairs.ids and it.
__device__ inline void group_few_rows(FewPairs& pairs, const RowGroups& groups) {
  const int num_pairs = static_cast<int>(groups.num_pairs);
  const int thread = threadIdx.x;
  __syncthreads();  // the ids are there before they are compared
  // Negative ids are those of no expert: unsigned, they come after all others.
  if (thread < num_pairs) {
    const auto own = static_cast<unsigned>(pairs.ids[thread]);
    const bool known = pairs.ids[thread] >= 0;
    int slot = 0;
    bool first = known;
    for (int p = 0; p < num_pairs; ++p) {
      const auto other = static_cast<unsigned>(pairs.ids[p]);
      const bool same_before = p < thread && other == own;
      slot += other < own || same_before ? 1 : 0;
      first = first && !same_before;
    }
    pairs.first_of_expert[thread] = first;
    if (known) groups.row_of_slot[slot] = thread / groups.num_topk;
    groups.slot_of_pair[thread] = known ? slot : -1;
  }
  __syncthreads();  // who is first is known before experts are numbered
  int start = 0, count = 0, place = 0, num_active = 0;
  for (int p = 0; p < num_pairs; ++p) {
    const bool before = static_cast<unsigned>(pairs.ids[p]) < static_cast<unsigned>(thread);
    start += before ? 1 : 0;
    count += pairs.ids[p] == thread ? 1 : 0;
    place += before && pairs.first_of_expert[p] ? 1 : 0;
    num_active += pairs.first_of_expert[p] ? 1 : 0;
  }
  if (thread <= groups.num_experts) groups.starts[thread] = start;
  if (thread >= groups.num_experts) return;
  if (count > 0) groups.active[place] = {thread, start, count, 0};
  if (thread >= num_active) groups.active[thread] = {};
}

}  // namespace shoal::kernels::cuda
