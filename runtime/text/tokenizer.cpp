#include "runtime/text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/printable.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/nfc.h"
#include "runtime/text/pretokenizer.h"

namespace shoal::text {
namespace {

using loader::TokenType;

bool is_special(TokenType type) {
  return type == TokenType::kControl || type == TokenType::kUserDefined;
}

const loader::Vocab& checked(const loader::Vocab& vocab) {
  SHOAL_ASSERT(vocab.types.size() == vocab.tokens.size(),
               "{} types for {} tokens",
               vocab.types.size(),
               vocab.tokens.size());
  if (vocab.model != "gpt2")
    throw ModelFileError(fmt::format("tokenizer model \"{}\" is not supported (only \"gpt2\" is)",
                                     printable(vocab.model)));
  if (vocab.pre != "qwen35")
    throw ModelFileError(fmt::format("pre-tokenizer \"{}\" is not supported (only \"qwen35\" is)",
                                     printable(vocab.pre)));
  if (vocab.add_bos)
    log::warn("the file asks for a token in front of every text (add_bos_token): not done");
  return vocab;
}

std::vector<SpecialToken> special_tokens_of(const loader::Vocab& vocab) {
  std::vector<SpecialToken> specials;
  for (size_t id = 0; id < vocab.tokens.size(); ++id)
    if (is_special(vocab.types[id]))
      specials.push_back({vocab.tokens[id], static_cast<int32_t>(id)});
  return specials;
}

// Words of one stretch without special tokens, merged into `ids`.
void append_merged(std::string_view text,
                   const BpeMerger& merger,
                   BpeMerger::Scratch& scratch,
                   std::vector<int32_t>& ids) {
  std::string repaired, normalized;
  if (!is_well_formed(text)) text = repaired = sanitize_utf8(text);
  if (!is_surely_nfc(text)) text = normalized = to_nfc(text);
  for (size_t pos = 0; pos < text.size();) {
    const size_t num_bytes = word_bytes(text, pos);
    merger.merge_word(text.substr(pos, num_bytes), scratch, ids);
    pos += num_bytes;
  }
}

}  // namespace

Tokenizer::Tokenizer(const loader::Vocab& vocab)
    : types_(checked(vocab).types),
      special_tokens_(special_tokens_of(vocab)),
      merger_(vocab),
      eos_id_(vocab.eos_id) {
  pieces_.reserve(vocab.tokens.size());
  for (size_t i = 0; i < vocab.tokens.size(); ++i) {
    const bool spelled = types_[i] == TokenType::kNormal;
    pieces_.push_back(spelled ? bytes_of_spelling(vocab.tokens[i]) : vocab.tokens[i]);
    const auto id = static_cast<int32_t>(i);
    if (types_[i] == TokenType::kUnused) unused_ids_.push_back(id);
    if (id == eos_id_ || pieces_[i] == "<|endoftext|>") end_ids_.push_back(id);
  }
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, SpecialTokens special_tokens) const {
  if (special_tokens == SpecialTokens::kPlainText) return encode_between(text, {});
  return encode_between(text, special_tokens_.find(text));
}

std::vector<int32_t> Tokenizer::encode(std::span<const TextPiece> pieces) const {
  std::string text;
  std::vector<SpecialMatch> specials;
  for (auto piece = pieces.begin(); piece != pieces.end();) {
    const size_t begin = text.size();
    const bool trusted = piece->trusted;
    for (; piece != pieces.end() && piece->trusted == trusted; ++piece) text += piece->text;
    if (!trusted) continue;
    for (const SpecialMatch& match : special_tokens_.find(std::string_view(text).substr(begin)))
      specials.push_back({begin + match.begin, begin + match.end, match.id});
  }
  return encode_between(text, specials);
}

std::vector<int32_t> Tokenizer::encode_between(std::string_view text,
                                               std::span<const SpecialMatch> specials) const {
  std::vector<int32_t> ids;
  BpeMerger::Scratch scratch = merger_.make_scratch();
  size_t pos = 0;
  for (const SpecialMatch& special : specials) {
    append_merged(text.substr(pos, special.begin - pos), merger_, scratch, ids);
    ids.push_back(special.id);
    pos = special.end;
  }
  append_merged(text.substr(pos), merger_, scratch, ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, DecodeOptions options) const {
  std::string bytes;
  for (const int32_t id : ids)
    if (!options.skip_special_tokens || !is_hidden(id)) bytes += piece(id);
  return sanitize_utf8(bytes);
}

std::string_view Tokenizer::piece(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return pieces_[id];
}

bool Tokenizer::is_hidden(int32_t id) const {
  return is_control(id) || has_type(id, TokenType::kUnused);
}

bool Tokenizer::has_type(int32_t id, TokenType type) const {
  return id >= 0 && id < vocab_size() && types_[id] == type;
}

std::optional<int32_t> Tokenizer::find_token(std::string_view bytes) const {
  std::optional<int32_t> found;
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (pieces_[id] != bytes) continue;
    if (is_special(types_[id])) return id;
    if (!found) found = id;
  }
  return found;
}

bool Tokenizer::is_end(int32_t id) const { return std::ranges::binary_search(end_ids_, id); }

}  // namespace shoal::text
