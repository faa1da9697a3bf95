// A vocabulary without merges: ids 0 to 255 are the bytes, then <|end|> (control), <think>
// (user-defined) and one unused id.
#pragma once
#include "loader/format/vocab.h"

namespace shoal::text {

inline constexpr int32_t kByteVocabEnd = 256, kByteVocabThink = 257, kByteVocabUnused = 258;

loader::Vocab byte_vocab();

}  // namespace shoal::text
