#include "runtime/plan/plan_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <type_traits>
#include <utility>

#include "runtime/base/printable.h"

namespace shoal::plan {
namespace {

struct ScoreWord {
  Score score;
  std::string_view word;
};
constexpr ScoreWord kScoreWords[] = {{Score::kNone, "none"},
                                     {Score::kSampled, "sampled"},
                                     {Score::kChunk, "chunk"},
                                     {Score::kFullLogits, "full"}};
constexpr std::string_view kPreviousWord = "prev";

void append_list(std::string& out, std::string_view key, const std::vector<int32_t>& values) {
  if (values.empty()) return;
  fmt::format_to(std::back_inserter(out), " {} ", key);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    if (values[i] == kPreviousSample)
      out += kPreviousWord;
    else
      fmt::format_to(std::back_inserter(out), "{}", values[i]);
  }
}

void append_list(std::string& out, std::string_view key, const std::vector<LogitBias>& biases) {
  for (size_t i = 0; i < biases.size(); ++i)
    fmt::format_to(std::back_inserter(out),
                   "{}{}:{}",
                   i == 0 ? fmt::format(" {} ", key) : ",",
                   biases[i].id,
                   biases[i].bias);
}

// As one word: what is not a letter, a digit or one of -_.~ becomes %XX.
std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-_.~").find(c) != std::string_view::npos;
    if (plain)
      out += c;
    else
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

// Walks the words of a line. After the first failure every call fails and the reason stays.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) { advance(); }

  std::string_view word() const { return word_; }
  bool at_end() const { return word_.empty(); }
  bool at_section_end() const { return at_end() || word_ == "|"; }
  bool failed() const { return !error_.empty(); }
  const std::string& error() const { return error_; }

  bool fail(std::string_view why) {
    if (!failed())
      error_ = at_end() ? fmt::format("{} at the end of the line", why)
                        : fmt::format("{} at \"{}\"", why, printable(word_));
    return false;
  }

  void advance() {
    constexpr std::string_view kBlank = " \t\r\n";
    const size_t begin = rest_.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) {
      word_ = rest_ = {};
      return;
    }
    const size_t end = std::min(rest_.find_first_of(kBlank, begin), rest_.size());
    word_ = rest_.substr(begin, end - begin);
    rest_ = rest_.substr(end);
  }

  template <class Number>
  bool take(Number& out) {
    if (failed()) return false;
    if (!convert(word_, out)) return fail("expected a number");
    advance();
    return true;
  }

  bool take(std::vector<int32_t>& out) {
    return take_items("expected numbers and commas", [&out](std::string_view item) {
      int32_t value = kPreviousSample;
      if (item != kPreviousWord && !convert(item, value)) return false;
      out.push_back(value);
      return true;
    });
  }

  bool take(std::vector<LogitBias>& out) {
    return take_items("expected ID:BIAS and commas", [&out](std::string_view item) {
      const size_t colon = item.find(':');
      LogitBias value;
      if (colon == std::string_view::npos || !convert(item.substr(0, colon), value.id) ||
          !convert(item.substr(colon + 1), value.bias))
        return false;
      out.push_back(value);
      return true;
    });
  }

  // Percent-encoded.
  bool take(std::string& out) {
    if (failed()) return false;
    for (size_t i = 0; i < word_.size(); ++i) {
      if (word_[i] != '%') {
        out += word_[i];
        continue;
      }
      unsigned byte = 0;
      const char* const digits = word_.data() + i + 1;
      if (word_.size() - i < 3 || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2)
        return fail("expected %XX");
      out += static_cast<char>(byte);
      i += 2;
    }
    advance();
    return true;
  }

  bool take(Score& out) {
    if (failed()) return false;
    for (const auto& [score, word] : kScoreWords) {
      if (word != word_) continue;
      out = score;
      advance();
      return true;
    }
    return fail("expected none, sampled, chunk or full");
  }

 private:
  template <class Read>
  bool take_items(std::string_view expected, Read read) {
    if (failed()) return false;
    std::string_view left = word_;
    for (;;) {
      const size_t comma = left.find(',');
      if (!read(left.substr(0, comma))) return fail(expected);
      if (comma == std::string_view::npos) break;
      left = left.substr(comma + 1);
    }
    advance();
    return true;
  }

  template <class Number>
  static bool convert(std::string_view text, Number& out) {
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (status != std::errc() || end != text.data() + text.size() || text.empty()) return false;
    if constexpr (std::is_floating_point_v<Number>) return std::isfinite(out);
    return true;
  }

  std::string_view rest_, word_;
  std::string error_;
};

// One section: `key value` pairs in any order, none twice.
class Section {
 public:
  explicit Section(Words& words) : words_(words) {}

  // True when the current word is `key`; its value is then read.
  template <class Value>
  bool field(std::string_view key, Value& out) {
    if (!begin(key)) return false;
    words_.take(out);
    return true;
  }

  bool flag(std::string_view key, bool& out) {
    if (!begin(key)) return false;
    out = true;
    return true;
  }

 private:
  bool begin(std::string_view key) {
    if (words_.failed() || words_.word() != key) return false;
    for (const std::string_view seen : seen_)
      if (seen == key) return words_.fail("said twice");
    seen_.push_back(key);
    words_.advance();
    return true;
  }

  Words& words_;
  std::vector<std::string_view> seen_;
};

void parse_header(Words& words, StepPlan& plan) {
  Section section(words);
  if (!section.field("step", plan.step_id)) words.fail("expected step");
  while (!words.failed() && !words.at_section_end()) {
    if (section.field("epoch", plan.epoch) || section.field("cap", plan.token_capacity) ||
        section.field("repeat", plan.num_repeats))
      continue;
    words.fail("unknown word");
  }
}

void parse_admission(Words& words, Admission& admission) {
  Section section(words);
  section.field("admit", admission.id);
  SamplingParams& sampling = admission.sampling;
  while (!words.failed() && !words.at_section_end()) {
    if (section.field("home", admission.home) || section.field("slot", admission.state_slot) ||
        section.field("from", admission.checkpoint) ||
        section.field("shared", admission.shared_blocks) ||
        section.field("prompt", admission.prompt_len) ||
        section.field("temp", sampling.temperature) || section.field("top_k", sampling.top_k) ||
        section.field("top_p", sampling.top_p) || section.field("min_p", sampling.min_p) ||
        section.field("seed", sampling.seed) ||
        section.field("presence", sampling.presence_penalty) ||
        section.field("frequency", sampling.frequency_penalty) ||
        section.field("repetition", sampling.repetition_penalty) ||
        section.field("bias", sampling.logit_bias) ||
        section.field("min_tokens", sampling.min_tokens) ||
        section.field("end_ids", sampling.end_ids) ||
        section.field("logprobs", sampling.logprobs) ||
        section.field("grammar", sampling.constraint.gbnf) ||
        section.field("grammar_after", sampling.constraint.starts_after) ||
        section.field("history", admission.history))
      continue;
    words.fail("unknown word");
  }
}

void parse_run(Words& words, ScheduledSequence& run) {
  Section section(words);
  section.field("run", run.id);
  while (!words.failed() && !words.at_section_end()) {
    if (section.field("start", run.start) || section.field("tokens", run.tokens) ||
        section.field("blocks", run.new_blocks) || section.flag("sample", run.sample) ||
        section.field("score", run.score) || section.field("score_start", run.score_start) ||
        section.field("score_next", run.score_next) || section.field("save", run.save))
      continue;
    words.fail("unknown word");
  }
}

}  // namespace

std::string to_text(const StepPlan& plan) {
  std::string out =
      fmt::format("step {} epoch {} cap {}", plan.step_id, plan.epoch, plan.token_capacity);
  const auto add = [&out]<class... Args>(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  };
  if (plan.num_repeats != 1) add(" repeat {}", plan.num_repeats);
  for (const Admission& a : plan.admitted) {
    add(" | admit {} home {} slot {} prompt {}", a.id, a.home, a.state_slot, a.prompt_len);
    if (a.checkpoint != kNoCheckpoint) add(" from {}", a.checkpoint);
    append_list(out, "shared", a.shared_blocks);
    const SamplingParams usual;
    add(" temp {}", a.sampling.temperature);
    if (a.sampling.top_k != usual.top_k) add(" top_k {}", a.sampling.top_k);
    if (a.sampling.top_p != usual.top_p) add(" top_p {}", a.sampling.top_p);
    if (a.sampling.min_p != usual.min_p) add(" min_p {}", a.sampling.min_p);
    add(" seed {}", a.sampling.seed);
    if (a.sampling.presence_penalty != usual.presence_penalty)
      add(" presence {}", a.sampling.presence_penalty);
    if (a.sampling.frequency_penalty != usual.frequency_penalty)
      add(" frequency {}", a.sampling.frequency_penalty);
    if (a.sampling.repetition_penalty != usual.repetition_penalty)
      add(" repetition {}", a.sampling.repetition_penalty);
    append_list(out, "bias", a.sampling.logit_bias);
    if (a.sampling.min_tokens != usual.min_tokens) add(" min_tokens {}", a.sampling.min_tokens);
    append_list(out, "end_ids", a.sampling.end_ids);
    if (a.sampling.logprobs != usual.logprobs) add(" logprobs {}", a.sampling.logprobs);
    if (!a.sampling.constraint.gbnf.empty())
      add(" grammar {}", percent_encoded(a.sampling.constraint.gbnf));
    if (a.sampling.constraint.starts_after != usual.constraint.starts_after)
      add(" grammar_after {}", a.sampling.constraint.starts_after);
    append_list(out, "history", a.history);
  }
  for (const ScheduledSequence& run : plan.sequences) {
    add(" | run {} start {}", run.id, run.start);
    append_list(out, "tokens", run.tokens);
    append_list(out, "blocks", run.new_blocks);
    if (run.sample) add(" sample");
    if (run.score != Score::kNone)
      add(" score {}", kScoreWords[static_cast<size_t>(run.score)].word);
    if (run.score_start != 0) add(" score_start {}", run.score_start);
    if (run.score_next != -1) add(" score_next {}", run.score_next);
    if (run.save != kNoCheckpoint) add(" save {}", run.save);
  }
  for (const SequenceId id : plan.released) add(" | release {}", id);
  return out;
}

std::optional<StepPlan> parse_plan(std::string_view line, std::string& error) {
  StepPlan plan;
  Words words(line);
  parse_header(words, plan);
  while (!words.failed() && !words.at_end()) {
    words.advance();  // the bar
    if (words.word() == "admit") {
      parse_admission(words, plan.admitted.emplace_back());
    } else if (words.word() == "run") {
      parse_run(words, plan.sequences.emplace_back());
    } else if (words.word() == "release") {
      words.advance();
      words.take(plan.released.emplace_back());
      if (!words.at_section_end()) words.fail("unknown word");
    } else {
      words.fail("expected admit, run or release");
    }
  }
  error = words.error();
  if (words.failed()) return std::nullopt;
  return plan;
}

}  // namespace shoal::plan
