// Normalization Form C (Unicode Standard Annex 15), which the tokenizer applies before it splits,
// as the Hugging Face tokenizer does.
#pragma once
#include <string>
#include <string_view>

namespace shoal::text {

// True if `text` is certainly in NFC already; false means that it may or may not be.
bool is_surely_nfc(std::string_view text);

// `text` must be well-formed UTF-8. O(n) but for the sorting of runs of combining marks.
std::string to_nfc(std::string_view text);

}  // namespace shoal::text
