// What a chat template writes, piece by piece, with the author of each piece: trusted where the
// template itself wrote the characters, untrusted where they came with the request (messages,
// tools, arguments). The tokenizer makes special tokens out of trusted pieces only.
#pragma once
#include "runtime/text/text_piece.h"

namespace shoal::text {

using RenderedPiece = TextPiece;

}  // namespace shoal::text
