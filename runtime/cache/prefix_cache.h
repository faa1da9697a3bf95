// The prefix cache's accounting: which beginnings of texts the ranks still hold, so that a new
// sequence may start behind them. What can be started from is a checkpoint: the recurrent state of
// all DeltaNet layers after a whole number of blocks, and with it the KV blocks of everything
// before. A checkpoint keeps its blocks; several share those of their common beginning.
//
// Texts form a tree of blocks, looked up by the tokens themselves: nothing can collide. A tree
// belongs to a home, because state lives on the home's owners, and to a salt: who gives another
// salt shares nothing, and learns nothing from how fast an answer came.
//
// What is touched last is evicted last; of checkpoints touched together the longest goes first.
// One thread. Everything here counts as written when the plan that writes it is made: ranks run
// plans in order.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/cache/block_allocator.h"
#include "runtime/cache/slot_allocator.h"

namespace shoal::cache {

struct PrefixCacheConfig {
  int num_home_groups = 1;
  int num_checkpoints = 0;          // of a home group; 0: nothing is cached
  uint64_t block_bytes = 0;         // of one block, on all stages
  uint64_t checkpoint_bytes = 0;    // of one checkpoint, on all stages
  uint64_t max_bytes = UINT64_MAX;  // of a home group: kept blocks and published checkpoints
};

// Why a beginning that is reused ends where it ends.
enum class PrefixEnd : uint8_t {
  kNewText,    // the rest goes on where every cached text with this beginning ends
  kUnknown,    // no cached text begins like it
  kDiverged,   // the cached text goes on differently
  kRewritten,  // so, and within the last turn or its answer: its history was written anew
  kTooShort,   // the prompt is shorter than a block
  kScored,     // log-probabilities of the prompt are wanted, so it has to run
  kHomeFull,   // the ranks that hold it have no room
  kOff,        // nothing is cached
};
inline constexpr int kNumPrefixEnds = static_cast<int>(PrefixEnd::kOff) + 1;
const char* prefix_end_name(PrefixEnd end);  // "new_text", ...

struct PrefixMatch {
  int home = 0;
  int64_t tokens = 0;         // that need not run; whole blocks
  int64_t shared_tokens = 0;  // of the longest cached text with this beginning, token by token
  int checkpoint = -1;        // to start from; -1: from nothing
  std::vector<int32_t> blocks;
  PrefixEnd end = PrefixEnd::kOff;
};

// The text that a checkpoint stands for.
struct PrefixText {
  int home = 0;
  std::string_view salt;
  std::span<const int32_t> tokens;  // whole blocks
  int64_t prompt_len = 0;           // of the request that wrote it
};

class PrefixCache {
 public:
  // The blocks' pools, by home group, must outlive it.
  PrefixCache(PrefixCacheConfig config, std::vector<BlockAllocator>& blocks);

  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  const PrefixCacheConfig& config() const { return config_; }
  bool is_on() const { return config_.num_checkpoints > 0; }

  // The best beginning of `text` that ends within `limit` tokens. Changes nothing.
  PrefixMatch find(const PrefixText& text, int64_t limit) const;
  // It is about to be used: its way through the tree was touched now.
  void touch(const PrefixMatch& match);

  // A checkpoint to write to: free, or of the text that was touched longest ago. Nothing when all
  // are being written.
  std::optional<int> take_checkpoint(int home);
  // The same for text that is still being generated; leaves half of them to the rest.
  std::optional<int> take_growing_checkpoint(int home);
  void give_back(int home, int checkpoint);
  // A plan writes it: from now on texts may start from it. It goes back when the text is known
  // already. `blocks` are those of the text.
  void publish(const PrefixText& text, std::span<const int32_t> blocks, int checkpoint);
  bool holds(const PrefixText& text) const;

  // Evicts what was touched longest ago and gives a block free. False when nothing does.
  bool free_block(size_t group);

  // Forgets every published text; not counted as evictions. Who started from one goes on.
  void clear();

  int num_published() const { return num_published_; }
  uint64_t num_evictions() const { return num_evictions_; }
  uint64_t bytes() const;

 private:
  struct BySpan {
    using is_transparent = void;
    bool operator()(std::span<const int32_t> a, std::span<const int32_t> b) const {
      return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
    }
  };
  struct Node {
    Node* parent = nullptr;  // none: a root
    std::map<std::vector<int32_t>, std::unique_ptr<Node>, BySpan> children;
    int64_t prompt_len = 0;
    int checkpoint = -1;  // published for the text up to its end
  };
  struct Published {
    Node* node = nullptr;  // none: not published
    std::vector<int32_t> blocks;
    uint64_t touched = 0;
  };
  using Owner = std::pair<int, std::string>;  // home and salt

  size_t group_of(int home) const { return static_cast<size_t>(home % config_.num_home_groups); }
  std::span<const int32_t> block_of(const PrefixText& text, size_t index) const;
  const Node* root_of(const PrefixText& text) const;
  void explain_end(const PrefixText& text, const Node& last, PrefixMatch& match) const;
  std::optional<int> oldest(size_t group, bool must_free_a_block) const;
  void evict(size_t group, int checkpoint);
  int64_t num_published(size_t group) const;
  uint64_t bytes_of(size_t group) const;

  PrefixCacheConfig config_;
  std::vector<BlockAllocator>& blocks_;
  size_t block_size_;
  std::vector<SlotAllocator> checkpoints_;         // by home group
  std::vector<std::vector<Published>> published_;  // by home group and checkpoint
  std::map<Owner, Node> roots_;
  uint64_t clock_ = 0, num_evictions_ = 0;
  int num_published_ = 0;
};

// Where the state of a prompt is worth a checkpoint, rising, beyond what is reused: where other
// texts went on differently; before the last tokens, which a template may write anew; and on the
// way so often that checkpoints take no more memory than the KV blocks between them, but at most
// kMaxOnTheWay times.
inline constexpr int64_t kPromptTail = 8;
inline constexpr int64_t kMaxOnTheWay = 4;
std::vector<int64_t> checkpoint_positions(const PrefixCacheConfig& config,
                                          int block_size,
                                          int64_t prompt_len,
                                          const PrefixMatch& match);

}  // namespace shoal::cache
