#include "runtime/text/grammar/token_masks.h"

#include <algorithm>

#include "runtime/text/grammar/limits.h"

namespace shoal::grammar {
namespace {

constexpr size_t kMaxKeptMasks = 512;

void set_bit(std::vector<uint32_t>& mask, int32_t id) {
  mask[static_cast<size_t>(id) / 32] |= uint32_t{1} << (static_cast<uint32_t>(id) % 32);
}

}  // namespace

TokenMasks::TokenMasks(std::shared_ptr<const Automaton> automaton, const TokenTrie& trie)
    : automaton_(std::move(automaton)),
      trie_(trie),
      table_(std::make_shared<StateTable>(automaton_)),
      path_(static_cast<size_t>(trie.max_depth()) + 1) {}

Cursor TokenMasks::begin() const {
  Cursor cursor;
  cursor.table_ = table_;
  cursor.state_ = table_->start();
  return cursor;
}

// A table that has grown too large is left behind; what is still in use moves on when it is used.
void TokenMasks::renew() {
  table_ = std::make_shared<StateTable>(automaton_);
  masks_.clear();
}

void TokenMasks::bring_here(Cursor& cursor) {
  if (cursor.table_ == table_) return;
  cursor.state_ = table_->adopt(*cursor.table_, cursor.state_);
  cursor.table_ = table_;
}

void TokenMasks::take(Cursor& cursor, int32_t token) {
  if (table_->too_large()) renew();
  bring_here(cursor);
  const std::string_view bytes = trie_.piece(token);
  if (bytes.empty()) cursor.state_ = StateTable::kDead;
  for (const char byte : bytes)
    cursor.state_ = table_->step(cursor.state_, static_cast<uint8_t>(byte));
}

std::span<const uint32_t> TokenMasks::mask(Cursor& cursor) {
  if (table_->too_large()) renew();
  bring_here(cursor);
  if (const auto found = masks_.find(cursor.state_); found != masks_.end()) return found->second;
  std::vector<uint32_t> mask = make_mask(cursor.state_);
  // The walk may have renewed the table; the cursor's state is then path_[0] of the new one.
  cursor.table_ = table_;
  cursor.state_ = path_[0];
  if (masks_.size() >= kMaxKeptMasks) masks_.clear();
  return masks_.insert_or_assign(cursor.state_, std::move(mask)).first->second;
}

std::vector<uint32_t> TokenMasks::make_mask(StateTable::State state) {
  ++num_masks_made_;
  std::vector<uint32_t> mask((static_cast<size_t>(trie_.vocab_size()) + 31) / 32);
  const auto nodes = trie_.nodes();
  const auto tokens = trie_.tokens();
  path_[0] = state;
  bool anything = false;
  int64_t frames = 0;
  for (size_t i = 0; i < nodes.size();) {
    const TokenTrie::TrieNode& node = nodes[i];
    const StateTable::State before = path_[size_t{node.depth} - 1];
    frames += table_->num_frames(before);
    const StateTable::State next = table_->step(before, node.byte);
    if (next == StateTable::kDead) {
      i = node.end;
      continue;
    }
    path_[node.depth] = next;
    for (uint32_t t = 0; t < node.num_tokens; ++t) set_bit(mask, tokens[node.first_token + t]);
    anything |= node.num_tokens > 0;
    ++i;
    if (table_->too_large()) {
      const std::shared_ptr<StateTable> left_behind = table_;
      renew();
      for (size_t depth = 0; depth <= node.depth; ++depth)
        path_[depth] = table_->adopt(*left_behind, path_[depth]);
    }
    if (frames > kMaxFramesPerMask) {
      std::ranges::fill(mask, 0);
      anything = false;
      break;
    }
  }
  if (!anything || table_->accepts(path_[0]))
    for (const int32_t id : trie_.end_ids()) set_bit(mask, id);
  return mask;
}

}  // namespace shoal::grammar
