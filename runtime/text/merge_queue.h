// The merges that a word may still make, handed out best rank first and from left to right among
// equals. A bucket a rank instead of one heap: a long run of equal characters then costs a few
// sequential passes, so no text takes much longer a byte than prose does.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace shoal::text {

class MergeQueue {
 public:
  struct Entry {
    uint32_t rank;
    int32_t left;  // index of the pair's left symbol
  };

  explicit MergeQueue(size_t num_ranks) : bucket_of_rank_(num_ranks, kNone) {}

  // rank < num_ranks.
  void push(Entry entry);

  // Empty when there is none left; the queue can then be used for the next word.
  std::optional<Entry> pop();

 private:
  static constexpr int32_t kNone = -1;
  struct Bucket {
    std::vector<int32_t> in_order;  // ascending; the first num_taken are gone
    size_t num_taken = 0;
    std::vector<int32_t> late;  // a heap of those that came after a greater one

    bool is_empty() const { return num_taken == in_order.size() && late.empty(); }
    void push(int32_t left);
    int32_t pop();
    void clear();
  };

  std::vector<int32_t> bucket_of_rank_;
  std::vector<uint32_t> ranks_;  // a heap of the ranks that have a bucket
  std::vector<Bucket> buckets_;
  std::vector<int32_t> free_buckets_;
};

}  // namespace shoal::text
