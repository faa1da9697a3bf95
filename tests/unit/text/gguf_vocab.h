// The tokenizer keys of a GGUF file that is known to be sound (test data): no checks, no tensors.
#pragma once
#include <string>

#include "loader/format/vocab.h"

namespace shoal::text {

loader::Vocab read_gguf_vocab(const std::string& path);

}  // namespace shoal::text
