#include "runtime/text/stop_strings.h"

#include <gtest/gtest.h>

namespace shoal::text {
namespace {

struct Outcome {
  std::string text;
  std::optional<size_t> matched;
  bool operator==(const Outcome&) const = default;
};

Outcome run(const std::vector<std::string>& stops, const std::vector<std::string>& deltas) {
  StopMatcher matcher(stops);
  std::string text;
  for (const std::string& delta : deltas) text += matcher.push(delta);
  text += matcher.flush();
  return {text, matcher.matched()};
}

std::vector<std::string> in_pieces(const std::string& text, size_t num_bytes) {
  std::vector<std::string> pieces;
  for (size_t pos = 0; pos < text.size(); pos += num_bytes)
    pieces.push_back(text.substr(pos, num_bytes));
  return pieces;
}

TEST(StopMatcherTest, CutsAlikeHoweverTheTextComes) {
  struct Case {
    std::vector<std::string> stops;
    std::string text;
    Outcome expected;
  };
  const std::vector<Case> cases = {
      {{"STOP"}, "go on STOP not this", {"go on ", 0}},
      {{"STOP"}, "STSTOP", {"ST", 0}},
      {{"aab"}, "aaaab", {"aa", 0}},
      {{"\n\n", "User:"}, "hi\nUser: no", {"hi\n", 1}},
      {{"\n\n", "User:"}, "hi\n\nUser:", {"hi", 0}},
      {{"abcd", "bc"}, "xabcd", {"xa", 1}},
      {{"bc", "abc"}, "xabc", {"x", 1}},
      {{"STOP"}, "never STO", {"never STO", {}}},
      {{}, "free", {"free", {}}},
      {{""}, "free", {"free", {}}},
      {{"a"}, "a", {"", 0}},
  };
  for (const Case& c : cases)
    for (size_t num_bytes = 1; num_bytes <= c.text.size(); ++num_bytes)
      EXPECT_EQ(run(c.stops, in_pieces(c.text, num_bytes)), c.expected) << c.text << num_bytes;
}

TEST(StopMatcherTest, KeepsBackOnlyWhatMayBecomeAStop) {
  StopMatcher matcher({"</end>", "\u00E9t\u00E9"});
  EXPECT_EQ(matcher.push("abc <"), "abc ");
  EXPECT_EQ(matcher.push("/en"), "");
  EXPECT_EQ(matcher.push("x"), "</enx");
  EXPECT_EQ(matcher.push("caf\u00E9"), "caf");
  EXPECT_EQ(matcher.push("\u00E8"), "\u00E9\u00E8");
  EXPECT_EQ(matcher.push("y</end>z"), "y");
  EXPECT_EQ(matcher.matched(), 0u);
  EXPECT_EQ(matcher.push("more"), "");
  EXPECT_EQ(matcher.flush(), "");
}

}  // namespace
}  // namespace shoal::text
