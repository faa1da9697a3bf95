#include "runtime/text/merge_queue.h"

#include <algorithm>
#include <functional>

namespace shoal::text {

void MergeQueue::Bucket::push(int32_t left) {
  if (in_order.empty() || in_order.back() <= left) {
    in_order.push_back(left);
  } else {
    late.push_back(left);
    std::ranges::push_heap(late, std::greater{});
  }
}

int32_t MergeQueue::Bucket::pop() {
  const bool has_in_order = num_taken < in_order.size();
  if (late.empty() || (has_in_order && in_order[num_taken] <= late.front()))
    return in_order[num_taken++];
  std::ranges::pop_heap(late, std::greater{});
  const int32_t left = late.back();
  late.pop_back();
  return left;
}

void MergeQueue::Bucket::clear() {
  in_order.clear();
  num_taken = 0;
}

void MergeQueue::push(Entry entry) {
  int32_t& bucket = bucket_of_rank_[entry.rank];
  if (bucket == kNone) {
    if (free_buckets_.empty()) {
      free_buckets_.push_back(static_cast<int32_t>(buckets_.size()));
      buckets_.emplace_back();
    }
    bucket = free_buckets_.back();
    free_buckets_.pop_back();
    ranks_.push_back(entry.rank);
    std::ranges::push_heap(ranks_, std::greater{});
  }
  buckets_[bucket].push(entry.left);
}

std::optional<MergeQueue::Entry> MergeQueue::pop() {
  while (!ranks_.empty()) {
    const uint32_t rank = ranks_.front();
    int32_t& index = bucket_of_rank_[rank];
    Bucket& bucket = buckets_[index];
    if (!bucket.is_empty()) return Entry{rank, bucket.pop()};
    bucket.clear();
    free_buckets_.push_back(index);
    index = kNone;
    std::ranges::pop_heap(ranks_, std::greater{});
    ranks_.pop_back();
  }
  return {};
}

}  // namespace shoal::text
