// A vocabulary of the family's form without its texts: the byte alphabet, a token a merge, the
// special tokens at their public ids (248,320 tokens) or at the end (fewer), unused ids behind.
// Tokens are made by rule, so encoding works and gives other ids than the public files do.
#pragma once
#include "tests/tools/gguf_bytes.h"

namespace shoal::tools {

// `num_tokens` of at least 289. Puts tokens, types, merges, special ids and a ChatML template.
void put_vocab(EntryBytes& entries, int num_tokens);

}  // namespace shoal::tools
