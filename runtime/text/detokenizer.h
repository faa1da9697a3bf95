// One generated stream's ids to text, as they come. What push() and flush() return, joined, is
// Tokenizer::decode of all the ids. One thread at a time; the tokenizer must outlive it.
#pragma once
#include <cstdint>
#include <string>

#include "runtime/text/tokenizer.h"

namespace shoal::text {

class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, DecodeOptions options = {})
      : tokenizer_(&tokenizer), options_(options) {}

  // Whole characters only: the start of one is kept back until its other bytes come.
  std::string push(int32_t id);

  // The end of the stream: U+FFFD if a character was left unfinished.
  std::string flush();

  bool holds_bytes() const { return !held_.empty(); }

 private:
  const Tokenizer* tokenizer_;
  DecodeOptions options_;
  std::string held_;  // at most 3 bytes
};

}  // namespace shoal::text
