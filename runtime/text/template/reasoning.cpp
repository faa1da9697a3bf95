#include "runtime/text/template/reasoning.h"

#include <algorithm>
#include <utility>

namespace shoal::text {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kLineEnds = "\r\n";

// Where the tail begins that could still grow into `tag`; text.size() when there is none.
size_t partial_tag(std::string_view text, std::string_view tag) {
  size_t begin = text.size() - std::min(text.size(), tag.size() - 1);
  while (begin < text.size() && !tag.starts_with(text.substr(begin))) ++begin;
  return begin;
}

// `end` moved left over line ends.
size_t before_line_ends(std::string_view text, size_t end) {
  const size_t last = text.substr(0, end).find_last_not_of(kLineEnds);
  return last == std::string_view::npos ? 0 : last + 1;
}

}  // namespace

PromptEnd prompt_end(std::string_view prompt) {
  const size_t last = prompt.find_last_not_of(kSpace);
  const bool open = last != std::string_view::npos && prompt.substr(0, last + 1).ends_with(kOpen);
  return open ? PromptEnd::kInsideThink : PromptEnd::kOutsideThink;
}

ReasoningSplitter::ReasoningSplitter(PromptEnd prompt_end)
    : state_(prompt_end == PromptEnd::kInsideThink ? State::kReasoningStart : State::kStart) {}

ReasoningDelta ReasoningSplitter::push(std::string_view delta) {
  pending_ += delta;
  ReasoningDelta out;
  while (advance(out)) {
  }
  return out;
}

ReasoningDelta ReasoningSplitter::finish() {
  ReasoningDelta out;
  const bool reasoning = state_ == State::kReasoning || state_ == State::kReasoningStart;
  (reasoning ? out.reasoning : out.content) = std::move(pending_);
  pending_.clear();
  return out;
}

bool ReasoningSplitter::advance(ReasoningDelta& out) {
  switch (state_) {
    case State::kStart:
      return find_opening();
    case State::kReasoningStart:
      return skip_line_ends(State::kReasoning);
    case State::kReasoning:
      return find_closing(out);
    case State::kAnswerStart:
      return skip_line_ends(State::kAnswer);
    case State::kAnswer:
      out.content += std::exchange(pending_, {});
      return false;
  }
  return false;
}

bool ReasoningSplitter::find_opening() {
  const size_t begin = pending_.find_first_not_of(kSpace);
  if (begin == std::string::npos) return false;
  const std::string_view word = std::string_view(pending_).substr(begin);
  if (word.starts_with(kOpen)) {
    pending_.erase(0, begin + kOpen.size());
    state_ = State::kReasoningStart;
    return true;
  }
  if (kOpen.starts_with(word)) return false;
  state_ = State::kAnswer;
  return true;
}

bool ReasoningSplitter::find_closing(ReasoningDelta& out) {
  const size_t close = pending_.find(kClose);
  if (close != std::string::npos) {
    out.reasoning += pending_.substr(0, before_line_ends(pending_, close));
    pending_.erase(0, close + kClose.size());
    state_ = State::kAnswerStart;
    return true;
  }
  // Line ends wait as well: they go if the tag comes next.
  const size_t certain = before_line_ends(pending_, partial_tag(pending_, kClose));
  out.reasoning += pending_.substr(0, certain);
  pending_.erase(0, certain);
  return false;
}

bool ReasoningSplitter::skip_line_ends(State next) {
  const size_t begin = pending_.find_first_not_of(kLineEnds);
  if (begin == std::string::npos) {
    pending_.clear();
    return false;
  }
  pending_.erase(0, begin);
  state_ = next;
  return true;
}

}  // namespace shoal::text
