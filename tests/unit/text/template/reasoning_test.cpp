// The split of a reasoning model's output must not depend on how the text was cut into deltas:
// every case is pushed whole, byte by byte, and cut in two at each place.
#include "runtime/text/template/reasoning.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace shoal::text {
namespace {

struct SplitCase {
  PromptEnd start;
  std::string output;
  std::string reasoning;
  std::string content;
};

const SplitCase kCases[] = {
    {PromptEnd::kInsideThink, "because\n</think>\n\nYes.", "because", "Yes."},
    {PromptEnd::kInsideThink, "a\n\nb</think>c", "a\n\nb", "c"},
    {PromptEnd::kInsideThink, "</think>\n\nYes.", "", "Yes."},
    {PromptEnd::kInsideThink, "\n</think>\n\n", "", ""},
    {PromptEnd::kInsideThink, "never closed </thin", "never closed </thin", ""},
    {PromptEnd::kInsideThink, "x < y </ </th <</think>z", "x < y </ </th <", "z"},
    {PromptEnd::kInsideThink, "a</think>b</think>c", "a", "b</think>c"},
    {PromptEnd::kInsideThink, "a</think>\n\n  b\n\nc\n", "a", "  b\n\nc\n"},
    {PromptEnd::kInsideThink, "\xC3\xA9</think>\xF0\x9F\x8E\x89", "\xC3\xA9", "\xF0\x9F\x8E\x89"},
    {PromptEnd::kInsideThink, "", "", ""},
    {PromptEnd::kOutsideThink, "Just an answer.", "", "Just an answer."},
    {PromptEnd::kOutsideThink, "<think>\nhm\n</think>\n\nok", "hm", "ok"},
    {PromptEnd::kOutsideThink, "\n<think>hm</think>ok", "hm", "ok"},
    {PromptEnd::kOutsideThink,
     "<thinker> said <think>x</think>",
     "",
     "<thinker> said <think>x</think>"},
    {PromptEnd::kOutsideThink, "  <thi", "", "  <thi"},
    {PromptEnd::kOutsideThink, "\n\n text", "", "\n\n text"},
};

ReasoningDelta split(PromptEnd start, const std::vector<std::string>& deltas) {
  ReasoningSplitter splitter(start);
  ReasoningDelta all;
  const auto add = [&](const ReasoningDelta& delta) {
    all.reasoning += delta.reasoning;
    all.content += delta.content;
  };
  for (const auto& delta : deltas) add(splitter.push(delta));
  add(splitter.finish());
  return all;
}

TEST(ReasoningSplitter, SplitsAlikeForEveryCut) {
  for (const auto& example : kCases) {
    SCOPED_TRACE(example.output);
    std::vector<std::vector<std::string>> ways = {{example.output}, {}};
    for (const char byte : example.output) ways[1].push_back(std::string(1, byte));
    for (size_t cut = 1; cut < example.output.size(); ++cut) {
      ways.push_back({example.output.substr(0, cut), example.output.substr(cut)});
    }
    for (const auto& deltas : ways) {
      const ReasoningDelta all = split(example.start, deltas);
      EXPECT_EQ(all.reasoning, example.reasoning);
      EXPECT_EQ(all.content, example.content);
    }
  }
}

TEST(ReasoningSplitter, HoldsBackOnlyWhatCouldBeATag) {
  ReasoningSplitter splitter(PromptEnd::kInsideThink);
  EXPECT_EQ(splitter.push("ab").reasoning, "ab");
  EXPECT_EQ(splitter.push("c</thi").reasoning, "c");
  EXPECT_TRUE(splitter.inside_reasoning());
  EXPECT_EQ(splitter.push("s").reasoning, "</this");
  const ReasoningDelta last = splitter.push(" d</think>e");
  EXPECT_EQ(last.reasoning, " d");
  EXPECT_EQ(last.content, "e");
  EXPECT_FALSE(splitter.inside_reasoning());
}

TEST(ReasoningSplitter, ReadsThePromptsEnd) {
  EXPECT_EQ(prompt_end("<|im_start|>assistant\n<think>\n"), PromptEnd::kInsideThink);
  EXPECT_EQ(prompt_end("<think>"), PromptEnd::kInsideThink);
  EXPECT_EQ(prompt_end("<|im_start|>assistant\n<think>\n\n</think>\n\n"), PromptEnd::kOutsideThink);
  EXPECT_EQ(prompt_end("<|im_start|>assistant\n"), PromptEnd::kOutsideThink);
  EXPECT_EQ(prompt_end(""), PromptEnd::kOutsideThink);
}

}  // namespace
}  // namespace shoal::text
