#include "runtime/cache/prefix_cache.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace shoal::cache {

const char* prefix_end_name(PrefixEnd end) {
  static constexpr const char* kNames[kNumPrefixEnds] = {
      "new_text", "unknown", "diverged", "rewritten", "too_short", "scored", "home_full", "off"};
  return kNames[static_cast<size_t>(end)];
}

PrefixCache::PrefixCache(PrefixCacheConfig config, std::vector<BlockAllocator>& blocks)
    : config_(config),
      blocks_(blocks),
      block_size_(static_cast<size_t>(blocks.front().block_size())) {
  for (int group = 0; group < config_.num_home_groups; ++group) {
    checkpoints_.emplace_back(config_.num_checkpoints);
    published_.emplace_back(static_cast<size_t>(config_.num_checkpoints));
  }
}

const PrefixCache::Node* PrefixCache::root_of(const PrefixText& text) const {
  const auto found = roots_.find(Owner(text.home, text.salt));
  return found == roots_.end() ? nullptr : &found->second;
}

// Leaf by leaf: a long text is too deep a tree for nested destructors.
PrefixCache::~PrefixCache() { clear(); }

void PrefixCache::clear() {
  const uint64_t evictions = num_evictions_;
  for (size_t group = 0; group < published_.size(); ++group)
    while (const auto checkpoint = oldest(group, false)) evict(group, *checkpoint);
  num_evictions_ = evictions;
}

std::span<const int32_t> PrefixCache::block_of(const PrefixText& text, size_t index) const {
  return text.tokens.subspan(index * block_size_, block_size_);
}

PrefixMatch PrefixCache::find(const PrefixText& text, int64_t limit) const {
  PrefixMatch match{.home = text.home};
  if (!is_on()) return match;
  match.end = PrefixEnd::kTooShort;
  const size_t whole = text.tokens.size() / block_size_;
  if (whole == 0) return match;
  const Node* last = root_of(text);
  match.end = PrefixEnd::kUnknown;
  if (last == nullptr) return match;
  for (size_t i = 0; i < whole; ++i) {
    const auto next = last->children.find(block_of(text, i));
    if (next == last->children.end()) break;
    last = next->second.get();
    match.shared_tokens += static_cast<int64_t>(block_size_);
    if (last->checkpoint < 0 || match.shared_tokens > limit) continue;
    match.tokens = match.shared_tokens;
    match.checkpoint = last->checkpoint;
  }
  if (match.checkpoint >= 0)
    match.blocks = published_[group_of(text.home)][static_cast<size_t>(match.checkpoint)].blocks;
  explain_end(text, *last, match);
  return match;
}

void PrefixCache::explain_end(const PrefixText& text, const Node& last, PrefixMatch& match) const {
  match.end = PrefixEnd::kNewText;
  // The cached text that agrees longest within the next block.
  const auto rest = text.tokens.subspan(static_cast<size_t>(match.shared_tokens));
  int64_t longest = -1;
  const Node* nearest = nullptr;
  for (const auto& [tokens, next] : last.children) {
    const auto differs = std::mismatch(rest.begin(), rest.end(), tokens.begin(), tokens.end());
    const int64_t common = differs.first - rest.begin();
    if (common <= longest) continue;
    longest = common;
    nearest = next.get();
  }
  if (nearest == nullptr) return;
  match.shared_tokens += longest;
  if (longest == std::ssize(rest)) return;  // the whole text is the beginning of a cached one
  if (match.shared_tokens == 0)
    match.end = PrefixEnd::kUnknown;
  else
    match.end = match.shared_tokens >= nearest->prompt_len - kPromptTail ? PrefixEnd::kRewritten
                                                                         : PrefixEnd::kDiverged;
}

void PrefixCache::touch(const PrefixMatch& match) {
  if (match.checkpoint < 0) return;
  ++clock_;
  auto& published = published_[group_of(match.home)];
  const Node* node = published[static_cast<size_t>(match.checkpoint)].node;
  for (; node != nullptr; node = node->parent)
    if (node->checkpoint >= 0) published[static_cast<size_t>(node->checkpoint)].touched = clock_;
}

std::optional<int> PrefixCache::oldest(size_t group, bool must_free_a_block) const {
  std::optional<int> best;
  const auto rank = [](const Published& entry) {
    return std::pair(entry.touched, -std::ssize(entry.blocks));
  };
  const std::vector<Published>& entries = published_[group];
  for (size_t i = 0; i < entries.size(); ++i) {
    const Published& entry = entries[i];
    if (entry.node == nullptr) continue;
    // Of a text's blocks the last is the one with the fewest keepers.
    if (must_free_a_block && !blocks_[group].last_keeper(entry.blocks.back())) continue;
    if (!best || rank(entry) < rank(entries[static_cast<size_t>(*best)]))
      best = static_cast<int>(i);
  }
  return best;
}

void PrefixCache::evict(size_t group, int checkpoint) {
  Published& entry = published_[group][static_cast<size_t>(checkpoint)];
  blocks_[group].unkeep(entry.blocks);
  Node* node = std::exchange(entry.node, nullptr);
  node->checkpoint = -1;
  // What no text needs any more leaves the tree.
  while (node->parent != nullptr && node->children.empty() && node->checkpoint < 0) {
    Node* parent = node->parent;
    std::erase_if(parent->children, [&](const auto& child) { return child.second.get() == node; });
    node = parent;
  }
  if (node->parent == nullptr && node->children.empty())
    std::erase_if(roots_, [&](const auto& root) { return &root.second == node; });
  checkpoints_[group].release_one(checkpoint);
  --num_published_;
  ++num_evictions_;
}

std::optional<int> PrefixCache::take_checkpoint(int home) {
  const size_t group = group_of(home);
  if (const auto free = checkpoints_[group].allocate_one()) return free;
  const auto victim = oldest(group, false);
  if (!victim) return std::nullopt;
  evict(group, *victim);
  return checkpoints_[group].allocate_one();
}

std::optional<int> PrefixCache::take_growing_checkpoint(int home) {
  const size_t group = group_of(home);
  const int64_t being_written = checkpoints_[group].num_used() - num_published(group);
  if (being_written >= config_.num_checkpoints / 2) return std::nullopt;
  return take_checkpoint(home);
}

void PrefixCache::give_back(int home, int checkpoint) {
  checkpoints_[group_of(home)].release_one(checkpoint);
}

bool PrefixCache::holds(const PrefixText& text) const {
  const PrefixMatch match = find(text, std::ssize(text.tokens));
  return match.checkpoint >= 0 && match.tokens == std::ssize(text.tokens);
}

void PrefixCache::publish(const PrefixText& text, std::span<const int32_t> blocks, int checkpoint) {
  SHOAL_ASSERT(!blocks.empty() && text.tokens.size() == blocks.size() * block_size_,
               "{} tokens in {} blocks",
               text.tokens.size(),
               blocks.size());
  const size_t group = group_of(text.home);
  if (holds(text)) {
    give_back(text.home, checkpoint);
    return;
  }
  Node* node = &roots_[Owner(text.home, text.salt)];
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto tokens = block_of(text, i);
    auto next = node->children.find(tokens);
    if (next == node->children.end()) {
      next = node->children
                 .emplace(std::vector(tokens.begin(), tokens.end()), std::make_unique<Node>())
                 .first;
      next->second->parent = node;
      next->second->prompt_len = text.prompt_len;
    }
    node = next->second.get();
  }
  node->checkpoint = checkpoint;
  blocks_[group].keep(blocks);
  published_[group][static_cast<size_t>(checkpoint)] = {
      .node = node, .blocks = {blocks.begin(), blocks.end()}, .touched = ++clock_};
  ++num_published_;
  while (bytes_of(group) > config_.max_bytes) evict(group, *oldest(group, false));
}

bool PrefixCache::free_block(size_t group) {
  const auto victim = oldest(group, true);
  if (victim) evict(group, *victim);
  return victim.has_value();
}

int64_t PrefixCache::num_published(size_t group) const {
  const auto& entries = published_[group];
  return std::count_if(
      entries.begin(), entries.end(), [](const Published& entry) { return entry.node != nullptr; });
}

uint64_t PrefixCache::bytes_of(size_t group) const {
  return static_cast<uint64_t>(num_published(group)) * config_.checkpoint_bytes +
         static_cast<uint64_t>(blocks_[group].num_kept()) * config_.block_bytes;
}

uint64_t PrefixCache::bytes() const {
  uint64_t sum = 0;
  for (size_t group = 0; group < published_.size(); ++group) sum += bytes_of(group);
  return sum;
}

std::vector<int64_t> checkpoint_positions(const PrefixCacheConfig& config,
                                          int block_size,
                                          int64_t prompt_len,
                                          const PrefixMatch& match) {
  if (config.num_checkpoints == 0) return {};
  const auto whole_blocks = [block_size](int64_t tokens) {
    return std::max<int64_t>(tokens, 0) / block_size * block_size;
  };
  const int64_t last = whole_blocks(prompt_len - kPromptTail);
  std::vector<int64_t> positions = {last, std::min(last, whole_blocks(match.shared_tokens))};
  const uint64_t block_bytes = std::max<uint64_t>(config.block_bytes, 1);
  auto interval =
      static_cast<int64_t>((config.checkpoint_bytes + block_bytes - 1) / block_bytes) * block_size;
  interval = std::max<int64_t>(interval, block_size);
  // Doubling keeps the places of long and short prompts together.
  while (last / interval > kMaxOnTheWay) interval *= 2;
  for (int64_t position = interval; position < last; position += interval)
    positions.push_back(position);
  std::sort(positions.begin(), positions.end());
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  std::erase_if(positions, [&](int64_t position) { return position <= match.tokens; });
  return positions;
}

}  // namespace shoal::cache
