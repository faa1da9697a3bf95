// A vocabulary's tokens by their bytes, laid out for one pass in order. Holds the tokens whose
// text a grammar may allow: control tokens, unused ids and user-defined tokens are left out (they
// mean something beyond their text, and other tokens spell the same text). The tokens that end a
// text are kept apart. Immutable after construction.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/format/vocab.h"

namespace shoal::grammar {

class TokenTrie {
 public:
  // Nodes come with all that lies under them right behind; `end` is the first node that does not.
  struct TrieNode {
    uint32_t end;
    uint32_t first_token;  // in tokens(): those whose bytes end here
    uint32_t num_tokens;
    uint16_t depth;  // bytes up to here, at least 1
    uint8_t byte;
  };

  // One piece an id; an empty one is left out.
  TokenTrie(const std::vector<std::string>& pieces, std::vector<int32_t> end_ids);
  explicit TokenTrie(const loader::Vocab& vocab);

  std::span<const TrieNode> nodes() const { return nodes_; }
  std::span<const int32_t> tokens() const { return tokens_; }
  const std::vector<int32_t>& end_ids() const { return end_ids_; }
  bool is_end(int32_t id) const;
  int max_depth() const { return max_depth_; }
  int32_t vocab_size() const { return static_cast<int32_t>(places_.size()) - 1; }
  // Empty for ids that are left out or lie outside the vocabulary.
  std::string_view piece(int32_t id) const;

 private:
  void build(const std::vector<std::string>& pieces);

  std::vector<TrieNode> nodes_;
  std::vector<int32_t> tokens_;  // by their bytes
  std::vector<int32_t> end_ids_;
  std::string bytes_;
  std::vector<uint32_t> places_;  // of each id's bytes, and the end
  int max_depth_ = 0;
};

}  // namespace shoal::grammar
