// The marks that set a model's reasoning and its tool calls apart from its answer. Each is known by
// its text, and by the id of the token with that text where the vocabulary has one: such a token
// may leave no text of its own.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/text/tokenizer.h"

namespace shoal::answer {

inline constexpr std::string_view kThinkOpen = "<think>", kThinkClose = "</think>";
inline constexpr std::string_view kToolOpen = "<tool_call>", kToolClose = "</tool_call>";

// One model's marks. Immutable; made once, since it searches the vocabulary.
class AnswerMarkers {
 public:
  explicit AnswerMarkers(const text::Tokenizer& tokenizer);

  // The mark that a token stands for without showing it; empty for every other token.
  std::string_view hidden(int32_t token) const;
  // The id of a mark; empty where the vocabulary spells it with several tokens.
  std::optional<int32_t> id(std::string_view mark) const;

 private:
  struct Mark {
    std::string_view text;
    std::optional<int32_t> id;
    bool hidden = false;
  };
  std::array<Mark, 4> marks_;
};

}  // namespace shoal::answer
