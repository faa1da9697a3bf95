#include "tests/unit/text/byte_vocab.h"

#include "runtime/text/byte_alphabet.h"
#include "runtime/text/utf8.h"

namespace shoal::text {

loader::Vocab byte_vocab() {
  loader::Vocab vocab;
  vocab.model = "gpt2";
  vocab.pre = "qwen35";
  for (int byte = 0; byte < 256; ++byte) {
    std::string spelling;
    append_utf8(spelling, byte_spelling(static_cast<uint8_t>(byte)));
    vocab.tokens.push_back(spelling);
    vocab.types.push_back(loader::TokenType::kNormal);
  }
  vocab.tokens.insert(vocab.tokens.end(), {"<|end|>", "<think>", "[PAD258]"});
  vocab.types.insert(
      vocab.types.end(),
      {loader::TokenType::kControl, loader::TokenType::kUserDefined, loader::TokenType::kUnused});
  vocab.eos_id = kByteVocabEnd;
  return vocab;
}

}  // namespace shoal::text
