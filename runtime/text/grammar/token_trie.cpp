#include "runtime/text/grammar/token_trie.h"

#include <algorithm>
#include <limits>

#include "runtime/text/byte_alphabet.h"

namespace shoal::grammar {
namespace {

// Longer tokens cannot be chosen by a grammar; no vocabulary has them.
constexpr size_t kMaxTokenBytes = 4'096;

std::vector<std::string> pieces_of(const loader::Vocab& vocab) {
  std::vector<std::string> pieces(vocab.tokens.size());
  for (size_t id = 0; id < pieces.size(); ++id)
    if (vocab.types[id] == loader::TokenType::kNormal)
      pieces[id] = text::bytes_of_spelling(vocab.tokens[id]);
  return pieces;
}

std::vector<int32_t> end_ids_of(const loader::Vocab& vocab) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < vocab.tokens.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    if (id == vocab.eos_id || vocab.tokens[i] == "<|endoftext|>") ids.push_back(id);
  }
  return ids;
}

}  // namespace

TokenTrie::TokenTrie(const std::vector<std::string>& pieces, std::vector<int32_t> end_ids)
    : end_ids_(std::move(end_ids)) {
  std::ranges::sort(end_ids_);
  build(pieces);
}

TokenTrie::TokenTrie(const loader::Vocab& vocab) : TokenTrie(pieces_of(vocab), end_ids_of(vocab)) {}

void TokenTrie::build(const std::vector<std::string>& pieces) {
  places_.reserve(pieces.size() + 1);
  for (size_t i = 0; i < pieces.size(); ++i) {
    places_.push_back(static_cast<uint32_t>(bytes_.size()));
    const auto id = static_cast<int32_t>(i);
    if (pieces[i].empty() || pieces[i].size() > kMaxTokenBytes || is_end(id)) continue;
    bytes_ += pieces[i];
    tokens_.push_back(id);
  }
  places_.push_back(static_cast<uint32_t>(bytes_.size()));
  std::ranges::sort(tokens_, [this](int32_t a, int32_t b) {
    const int order = piece(a).compare(piece(b));
    return order != 0 ? order < 0 : a < b;
  });

  std::vector<uint32_t> open;  // the nodes that spell the token before
  const auto close_to = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back())
      nodes_[open.back()].end = static_cast<uint32_t>(nodes_.size());
  };
  std::string_view before;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string_view bytes = piece(tokens_[i]);
    const auto shared =
        static_cast<size_t>(std::ranges::mismatch(before, bytes).in2 - bytes.begin());
    close_to(shared);
    for (size_t depth = shared; depth < bytes.size(); ++depth) {
      open.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.end = 0,
                        .first_token = static_cast<uint32_t>(i),
                        .num_tokens = 0,
                        .depth = static_cast<uint16_t>(depth + 1),
                        .byte = static_cast<uint8_t>(bytes[depth])});
    }
    ++nodes_[open.back()].num_tokens;
    max_depth_ = std::max(max_depth_, static_cast<int>(bytes.size()));
    before = bytes;
  }
  close_to(0);
}

bool TokenTrie::is_end(int32_t id) const { return std::ranges::binary_search(end_ids_, id); }

std::string_view TokenTrie::piece(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  const auto i = static_cast<size_t>(id);
  return std::string_view(bytes_).substr(places_[i], places_[i + 1] - places_[i]);
}

}  // namespace shoal::grammar
