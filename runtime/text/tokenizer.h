// Text to token ids and back, for GGUF vocabularies of model "gpt2" with pre-tokenizer "qwen35".
// encode: special tokens are cut out, what lies between them is repaired (ill-formed UTF-8 becomes
// U+FFFD), brought to NFC and cut into words, and bytes are merged inside each word. No token is
// added in front or behind. Linear in the text, whatever it holds (n log n inside one word).
// Immutable after construction: any thread may call anything. Keeps no reference to the Vocab.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/format/vocab.h"
#include "runtime/text/bpe.h"
#include "runtime/text/special_tokens.h"
#include "runtime/text/text_piece.h"
#include "runtime/text/utf8.h"

namespace shoal::text {

// What <|im_start|> in a text means: the token, or ten characters.
enum class SpecialTokens : uint8_t { kRecognize, kPlainText };

struct DecodeOptions {
  bool skip_special_tokens = true;  // control tokens leave no text; user-defined ones always do
};

class Tokenizer {
 public:
  // Throws ModelFileError if the vocabulary is of another kind or cannot spell every byte.
  explicit Tokenizer(const loader::Vocab& vocab);

  std::vector<int32_t> encode(std::string_view text, SpecialTokens special_tokens) const;

  // The joined text of a rendered template. Special tokens are recognised only where they lie
  // wholly in trusted text (neighbouring trusted pieces count as one); otherwise the ids are those
  // of the joined text.
  std::vector<int32_t> encode(std::span<const TextPiece> pieces) const;

  // Well-formed UTF-8. Ids outside the vocabulary leave no text.
  std::string decode(std::span<const int32_t> ids, DecodeOptions options = {}) const;

  // The bytes of one token, maybe part of a character; a special token's name. Empty for an id
  // outside the vocabulary.
  std::string_view piece(int32_t id) const;

  // Leaves no text when special tokens are skipped: control tokens, and the unused ids that fill
  // up a vocabulary.
  bool is_hidden(int32_t id) const;
  bool is_control(int32_t id) const { return has_type(id, loader::TokenType::kControl); }

  // The token whose piece is `bytes`, special tokens first. Searches the whole vocabulary: for
  // start-up, not for every request.
  std::optional<int32_t> find_token(std::string_view bytes) const;

  int32_t vocab_size() const { return static_cast<int32_t>(pieces_.size()); }
  int32_t eos_id() const { return eos_id_; }  // -1 where the file names none

  // Where generation ends: eos_id and the token <|endoftext|>. Sorted.
  const std::vector<int32_t>& end_ids() const { return end_ids_; }
  bool is_end(int32_t id) const;

  // Ids that the sampler must never choose (token type 5). Sorted.
  const std::vector<int32_t>& unused_ids() const { return unused_ids_; }

 private:
  bool has_type(int32_t id, loader::TokenType type) const;
  std::vector<int32_t> encode_between(std::string_view text,
                                      std::span<const SpecialMatch> specials) const;

  std::vector<std::string> pieces_;
  std::vector<loader::TokenType> types_;
  SpecialTokenFinder special_tokens_;
  BpeMerger merger_;
  int32_t eos_id_;
  std::vector<int32_t> end_ids_;
  std::vector<int32_t> unused_ids_;
};

}  // namespace shoal::text
