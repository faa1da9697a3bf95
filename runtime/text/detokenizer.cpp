#include "runtime/text/detokenizer.h"

#include <utility>

#include "runtime/text/utf8.h"

namespace shoal::text {

std::string Detokenizer::push(int32_t id) {
  if (options_.skip_special_tokens && tokenizer_->is_hidden(id)) return {};
  held_ += tokenizer_->piece(id);
  const size_t num_whole = held_.size() - unfinished_tail_bytes(held_);
  std::string whole = sanitize_utf8(std::string_view(held_).substr(0, num_whole));
  held_.erase(0, num_whole);
  return whole;
}

std::string Detokenizer::flush() { return sanitize_utf8(std::exchange(held_, {})); }

}  // namespace shoal::text
