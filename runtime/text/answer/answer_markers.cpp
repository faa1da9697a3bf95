#include "runtime/text/answer/answer_markers.h"

namespace shoal::answer {

AnswerMarkers::AnswerMarkers(const text::Tokenizer& tokenizer)
    : marks_{
          Mark{kThinkOpen, {}}, Mark{kThinkClose, {}}, Mark{kToolOpen, {}}, Mark{kToolClose, {}}} {
  for (Mark& mark : marks_) {
    mark.id = tokenizer.find_token(mark.text);
    mark.hidden = mark.id && tokenizer.is_hidden(*mark.id);
  }
}

std::string_view AnswerMarkers::hidden(int32_t token) const {
  for (const Mark& mark : marks_)
    if (mark.hidden && mark.id == token) return mark.text;
  return {};
}

std::optional<int32_t> AnswerMarkers::id(std::string_view text) const {
  for (const Mark& mark : marks_)
    if (mark.text == text) return mark.id;
  return std::nullopt;
}

}  // namespace shoal::answer
