// Splits what a reasoning model writes into its reasoning and its answer, as the text arrives.
// The reasoning stands between <think> and </think>; where the template has already written the
// opening tag into the prompt, the output holds only the closing one. The tags and the line ends
// beside them belong to neither part. One splitter a stream; not shared between threads.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace shoal::text {

enum class PromptEnd : uint8_t {
  kInsideThink,   // the output begins as reasoning
  kOutsideThink,  // the output may still open a think block of its own, as its first word
};

// Whether a rendered prompt ends inside an open think block.
PromptEnd prompt_end(std::string_view prompt);

struct ReasoningDelta {
  std::string reasoning;
  std::string content;
};

class ReasoningSplitter {
 public:
  explicit ReasoningSplitter(PromptEnd prompt_end);

  // Takes the next text and returns what of it (and of text held back before) is certain. A tail
  // that could be the beginning of a tag is held back.
  ReasoningDelta push(std::string_view delta);

  // The end of the output: what was held back is text after all. A reasoning that was never
  // closed stays reasoning.
  ReasoningDelta finish();

  bool inside_reasoning() const { return state_ == State::kReasoning; }

 private:
  enum class State : uint8_t { kStart, kReasoningStart, kReasoning, kAnswerStart, kAnswer };

  // One step on pending_; false when it needs more text to decide.
  bool advance(ReasoningDelta& out);
  bool find_opening();
  bool find_closing(ReasoningDelta& out);
  bool skip_line_ends(State next);

  State state_;
  std::string pending_;
};

}  // namespace shoal::text
