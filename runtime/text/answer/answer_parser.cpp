#include "runtime/text/answer/answer_parser.h"

#include <algorithm>
#include <utility>

#include "runtime/text/answer/answer_markers.h"
#include "runtime/text/answer/call_json.h"

namespace shoal::answer {
namespace {

constexpr std::string_view kFunction = "<function=", kFunctionEnd = "</function>";
constexpr std::string_view kParameter = "<parameter=", kParameterEnd = "</parameter>";
constexpr std::string_view kSpaces = " \t\r\n";
constexpr size_t kMaxJsonCallBytes = 256 << 10;

// How much of the end of `text` may be the beginning of `mark`.
size_t begun(std::string_view text, std::string_view mark) {
  for (size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n)
    if (text.ends_with(mark.substr(0, n))) return n;
  return 0;
}

size_t begun(std::string_view text, std::initializer_list<std::string_view> marks) {
  size_t most = 0;
  for (const auto mark : marks) most = std::max(most, begun(text, mark));
  return most;
}

std::string_view without_spaces(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpaces);
  return first == text.npos ? std::string_view{} : text.substr(first);
}

// `text` may yet grow into something that starts with `mark`.
bool may_become(std::string_view text, std::string_view mark) {
  return mark.starts_with(text.substr(0, mark.size()));
}

// The name behind "<function=" or "<parameter=": empty and `npos` when the ">" has not come yet.
struct Name {
  std::string_view text;
  size_t end = std::string_view::npos;  // behind the ">"
  bool impossible = false;
};
Name read_name(std::string_view behind_mark) {
  const size_t stop = behind_mark.find_first_of(">\n<");
  if (stop == behind_mark.npos) return {{}, stop, behind_mark.size() > kMaxNameBytes};
  if (behind_mark[stop] != '>' || stop == 0 || stop > kMaxNameBytes) return {{}, stop, true};
  return {behind_mark.substr(0, stop), stop + 1, false};
}

}  // namespace

AnswerParser::AnswerParser(AnswerOptions options) : options_(std::move(options)) {
  state_ = !options_.split_reasoning      ? State::kContent
           : options_.starts_in_reasoning ? State::kReasoning
                                          : State::kStart;
  skip_spaces_ = state_ == State::kReasoning;
}

AnswerDelta AnswerParser::push(std::string_view text) {
  held_ += text;
  while (step(false)) {
  }
  return std::exchange(out_, {});
}

AnswerDelta AnswerParser::finish() {
  while (step(true)) {
  }
  if (state_ == State::kContent && num_calls_ == 0) out_.content += std::exchange(spaces_, {});
  return std::exchange(out_, {});
}

bool AnswerParser::step(bool at_end) {
  switch (state_) {
    case State::kStart:
      return step_start(at_end);
    case State::kReasoning:
      return step_reasoning(at_end);
    case State::kContent:
      return step_content(at_end);
    case State::kCall:
      return step_call(at_end);
    case State::kJsonCall:
      return step_json_call(at_end);
    case State::kParameters:
      return step_parameters();
    case State::kValue:
      return step_value(at_end);
    case State::kCallEnd:
      return step_call_end();
  }
  return false;
}

bool AnswerParser::step_start(bool at_end) {
  const std::string_view text = without_spaces(held_);
  if (text.starts_with(kThinkOpen)) {
    held_ = text.substr(kThinkOpen.size());
    state_ = State::kReasoning;
    skip_spaces_ = true;
    return true;
  }
  if (!at_end && may_become(text, kThinkOpen)) return false;
  state_ = State::kContent;
  return true;
}

bool AnswerParser::step_reasoning(bool at_end) {
  const size_t close = held_.find(kThinkClose);
  const bool closed = close != held_.npos;
  const size_t ready = closed   ? close
                       : at_end ? held_.size()
                                : held_.size() - begun(held_, kThinkClose);
  std::string_view text = std::string_view(held_).substr(0, ready);
  if (skip_spaces_) text = without_spaces(text);
  if (!text.empty()) {
    skip_spaces_ = false;
    const size_t end = text.find_last_not_of(kSpaces) + 1;  // 0: nothing but spaces
    if (end > 0) out_.reasoning += std::exchange(spaces_, {});
    out_.reasoning += text.substr(0, end);
    spaces_ += text.substr(end);
  }
  held_.erase(0, closed ? close + kThinkClose.size() : ready);
  if (!closed) return false;
  spaces_.clear();
  skip_spaces_ = true;
  state_ = State::kContent;
  return true;
}

void AnswerParser::emit_content(std::string_view text) {
  if (skip_spaces_) text = without_spaces(text);
  if (text.empty()) return;
  skip_spaces_ = false;
  if (!options_.parse_calls) {
    out_.content += text;
    return;
  }
  const size_t end = text.find_last_not_of(kSpaces) + 1;
  if (end > 0) out_.content += std::exchange(spaces_, {});
  out_.content += text.substr(0, end);
  spaces_ += text.substr(end);
}

bool AnswerParser::step_content(bool at_end) {
  if (!options_.parse_calls || num_calls_ >= kMaxCalls) {
    emit_content(std::exchange(held_, {}));
    return false;
  }
  const size_t open = held_.find(kToolOpen, std::exchange(is_refused_, false) ? 1 : 0);
  const bool opened = open != held_.npos;
  const size_t ready = opened   ? open
                       : at_end ? held_.size()
                                : held_.size() - begun(held_, kToolOpen);
  emit_content(std::string_view(held_).substr(0, ready));
  held_.erase(0, opened ? open + kToolOpen.size() : ready);
  if (!opened) return false;
  state_ = State::kCall;
  return true;
}

void AnswerParser::refuse_call() {
  held_.insert(0, kToolOpen);
  is_refused_ = true;
  state_ = State::kContent;
}

bool AnswerParser::step_call(bool at_end) {
  const std::string_view text = without_spaces(held_);
  if (text.starts_with('{')) {
    state_ = State::kJsonCall;
    return true;
  }
  if (text.starts_with(kFunction)) {
    const Name name = read_name(text.substr(kFunction.size()));
    if (name.end == name.text.npos && !name.impossible && !at_end) return false;
    if (!name.impossible && !name.text.empty()) {
      function_ = name.text;
      held_ = text.substr(kFunction.size() + name.end);
      begin_call(function_);
      num_parameters_ = 0;
      state_ = State::kParameters;
      return true;
    }
  } else if (!at_end && may_become(text, kFunction)) {
    return false;
  }
  refuse_call();
  return true;
}

bool AnswerParser::step_json_call(bool at_end) {
  const size_t close = held_.find(kToolClose);
  if (close == held_.npos && !at_end && held_.size() < kMaxJsonCallBytes) return false;
  const auto call =
      close == held_.npos ? std::nullopt : call_from_json(std::string_view(held_).substr(0, close));
  if (!call || call->name.size() > kMaxNameBytes) {
    refuse_call();
    return true;
  }
  begin_call(call->name);
  add_arguments(call->arguments);
  held_.erase(0, close + kToolClose.size());
  ++num_calls_;
  state_ = State::kContent;
  return true;
}

void AnswerParser::begin_call(const std::string& name) {
  spaces_.clear();
  skip_spaces_ = false;
  out_.calls.push_back({num_calls_, name, ""});
}

void AnswerParser::add_arguments(const std::string& fragment) {
  if (fragment.empty()) return;
  if (out_.calls.empty() || out_.calls.back().index != num_calls_) {
    out_.calls.push_back({num_calls_, "", ""});
  }
  out_.calls.back().arguments += fragment;
}

void AnswerParser::end_arguments() {
  add_arguments(num_parameters_ == 0 ? "{}" : "}");
  ++num_calls_;
  state_ = State::kCallEnd;
}

// What stands between parameters means nothing and is dropped.
bool AnswerParser::step_parameters() {
  const size_t parameter = held_.find(kParameter);
  const size_t end = std::min(held_.find(kFunctionEnd), held_.find(kToolClose));
  if (end < parameter) {
    held_.erase(0, end);
    end_arguments();
    return true;
  }
  if (parameter == held_.npos) {
    held_.erase(0, held_.size() - begun(held_, {kParameter, kFunctionEnd, kToolClose}));
    return false;
  }
  held_.erase(0, parameter);
  const Name name = read_name(std::string_view(held_).substr(kParameter.size()));
  if (name.impossible) {
    held_.erase(0, kParameter.size());
    return true;
  }
  if (name.end == name.text.npos) return false;
  const auto forms = options_.tools.find(function_);
  value_form_ = ValueForm::kString;
  if (forms != options_.tools.end()) {
    const auto form = forms->second.find(std::string(name.text));
    if (form != forms->second.end()) value_form_ = form->second;
  }
  add_arguments((num_parameters_ == 0 ? "{" : ", ") + quoted(name.text) + ": ");
  ++num_parameters_;
  held_.erase(0, kParameter.size() + name.end);
  value_.clear();
  value_began_ = false;
  state_ = State::kValue;
  return true;
}

bool AnswerParser::step_value(bool at_end) {
  if (!value_began_) {
    if (held_.empty()) return false;
    value_began_ = true;
    if (held_.front() == '\n') held_.erase(0, 1);
    if (value_form_ == ValueForm::kString) add_arguments("\"");
  }
  const size_t close = held_.find(kParameterEnd);
  const bool closed = close != held_.npos;
  const size_t ready = closed   ? close
                       : at_end ? held_.size()
                                : held_.size() - begun(held_, kParameterEnd);
  value_ += held_.substr(0, ready);
  held_.erase(0, closed ? close + kParameterEnd.size() : ready);
  const bool line_break = value_.ends_with('\n');
  if (closed && line_break) value_.pop_back();
  if (value_form_ == ValueForm::kString) {
    const size_t keep = !closed && line_break ? 1 : 0;
    add_arguments(escaped(std::string_view(value_).substr(0, value_.size() - keep)));
    value_.erase(0, value_.size() - keep);
    if (closed) add_arguments("\"");
  } else if (closed) {
    add_arguments(json_or_string(value_));
  }
  if (closed) state_ = State::kParameters;
  return closed;
}

bool AnswerParser::step_call_end() {
  const size_t close = held_.find(kToolClose), open = held_.find(kToolOpen);
  if (close == held_.npos && open == held_.npos) {
    held_.erase(0, held_.size() - begun(held_, {kToolClose, kToolOpen}));
    return false;
  }
  held_.erase(0, close < open ? close + kToolClose.size() : open);
  state_ = State::kContent;
  return true;
}

}  // namespace shoal::answer
