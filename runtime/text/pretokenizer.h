// The pre-tokenizer "qwen35": cuts text into the words inside which byte pairs are merged. The
// pattern, alternatives tried in order:
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)            a contraction
//   [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+         letters with their marks, one other character before
//   \p{N}                                    one digit
//   ` ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*`         punctuation, line ends after it
//   \s*[\r\n]+                               white space up to its last line end
//   \s+(?!\S)                                white space but for the last before something else
//   \s+
// Every character falls under one of them, so the words joined are the text.
#pragma once
#include <cstddef>
#include <string_view>

namespace shoal::text {

// Bytes of the word that starts at text[pos]; pos < text.size(). Cutting a whole text takes time
// in proportion to its length. Ill-formed UTF-8 counts as punctuation.
size_t word_bytes(std::string_view text, size_t pos);

}  // namespace shoal::text
