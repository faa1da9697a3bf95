// Byte-pair merging over token ids: a word starts as one token a byte, and the neighbours whose
// merge ranks best (leftmost among equals) are joined until none can be.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "loader/format/vocab.h"
#include "runtime/text/merge_queue.h"

namespace shoal::text {

// Immutable after construction; merge_word may be called from any thread.
class BpeMerger {
 public:
  // Throws ModelFileError if a byte has no token or a merge names a token that does not exist.
  explicit BpeMerger(const loader::Vocab& vocab);

  // Memory of merge_word that the caller keeps between words; made by make_scratch().
  struct Scratch {
    struct Symbol {
      int32_t id, previous, next;  // neighbours as indices, -1 at an end; id -1: merged away
    };
    std::vector<Symbol> symbols;
    MergeQueue queue;  // may hold pairs that no longer are neighbours
  };
  Scratch make_scratch() const { return {{}, MergeQueue(num_ranks_)}; }

  // Appends the word's tokens to out. O(n log n) in the word's bytes, which are < 2^31.
  void merge_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& out) const;

 private:
  struct Merge {
    uint64_t pair = kEmpty;  // left id << 32 | right id
    uint32_t rank = 0;
    int32_t merged_id = -1;
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};

  void insert(const Merge& merge);
  const Merge* find(int32_t left, int32_t right) const;  // null if the two do not merge
  void propose(Scratch& scratch, int32_t left) const;
  void join(Scratch& scratch, MergeQueue::Entry entry) const;

  size_t num_ranks_;
  std::array<int32_t, 256> byte_tokens_;
  std::vector<Merge> table_;  // open addressing, a power of two, at most half full
};

}  // namespace shoal::text
