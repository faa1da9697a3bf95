// A stretch of a prompt and who wrote it. The chat template returns its output as such pieces;
// Tokenizer::encode recognises special tokens only where the text is trusted, so nothing that a
// client writes into a message can open or close a turn.
#pragma once
#include <string>

namespace shoal::text {

struct TextPiece {
  std::string text;      // UTF-8; may end inside a character that the next piece continues
  bool trusted = false;  // true: a literal of the template; false: came with the request
};

}  // namespace shoal::text
