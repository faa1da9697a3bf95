// One grammar against one vocabulary: which tokens may come next. A token may come exactly if the
// text so far with its bytes is the beginning of some text of the grammar; the tokens that end a
// text, if the text so far is one. Masks are kept by state, so that a state met again costs
// nothing. What a mask says depends on grammar, vocabulary and text alone. One thread.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/text/grammar/state_table.h"
#include "runtime/text/grammar/token_trie.h"

namespace shoal::grammar {

// Where one text stands. Belongs to the TokenMasks that made it; copies are independent.
class Cursor {
 private:
  friend class TokenMasks;
  std::shared_ptr<StateTable> table_;
  StateTable::State state_ = StateTable::kDead;
};

class TokenMasks {
 public:
  // The trie must outlive it.
  TokenMasks(std::shared_ptr<const Automaton> automaton, const TokenTrie& trie);

  Cursor begin() const;
  // Takes a token. One that its mask does not hold leads to where nothing but the end may follow.
  void take(Cursor& cursor, int32_t token);
  bool accepts(const Cursor& cursor) const { return cursor.table_->accepts(cursor.state_); }

  // Bit id % 32 of word id / 32: the token may come. Where nothing may, the tokens that end a text
  // are in it. Valid until the next call.
  std::span<const uint32_t> mask(Cursor& cursor);

  int64_t num_masks_made() const { return num_masks_made_; }

 private:
  void bring_here(Cursor& cursor);
  void renew();
  std::vector<uint32_t> make_mask(StateTable::State state);

  std::shared_ptr<const Automaton> automaton_;
  const TokenTrie& trie_;
  std::shared_ptr<StateTable> table_;
  std::unordered_map<StateTable::State, std::vector<uint32_t>> masks_;
  std::vector<StateTable::State> path_;  // by depth, of the walk under way
  int64_t num_masks_made_ = 0;
};

}  // namespace shoal::grammar
