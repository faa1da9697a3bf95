// Regular expressions: texts that match and texts that do not, and what is refused.
#include "runtime/text/grammar/regex.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>

#include "tests/unit/text/grammar/text_matcher.h"

namespace shoal::grammar::testing {
namespace {

TextMatcher matcher(const std::string& pattern) {
  const auto gbnf = gbnf_from_regex(pattern);
  if (const auto* refusal = std::get_if<Refusal>(&gbnf)) {
    ADD_FAILURE() << refusal->message;
    return TextMatcher("root ::= \"\"");
  }
  return TextMatcher(std::get<std::string>(gbnf));
}

// Against the standard library's ECMAScript matcher, on random texts over a few characters.
TEST(Regex, AgreesWithTheStandardLibrary) {
  std::mt19937 random(3);
  for (const char* pattern : {"a*b+c?",
                              "(a|bc)*",
                              "a{2,3}(b|c){0,2}",
                              "[ab]+|c{2}",
                              "(a(b|c?)+)?",
                              "a.c",
                              "[^ab]*",
                              "\\w+\\s\\d*",
                              "(?:ab)+?c",
                              "a|b|",
                              "^ab$|^c",
                              "[a\\-c]+",
                              "\\x61\\u0062",
                              "((a|ab)(bc|c))",
                              "a{0}b",
                              "[-a]b"}) {
    TextMatcher ours = matcher(pattern);
    const std::regex theirs(pattern);
    for (int i = 0; i < 3000; ++i) {
      std::string text;
      for (unsigned n = random() % 7; n > 0; --n) text += "abc 1-\nZ"[random() % (i % 2 ? 3 : 8)];
      ASSERT_EQ(ours.accepts(text), std::regex_match(text, theirs)) << pattern << " on " << text;
    }
  }
}

TEST(Regex, TakesWholeCharacters) {
  TextMatcher dot = matcher("^.{2}$");
  EXPECT_TRUE(dot.accepts("\u00e9\U0001F600"));
  EXPECT_FALSE(dot.accepts("\u00e9"));
  TextMatcher set = matcher("[\u03b1-\u03c9]+\\u{1F600}");
  EXPECT_TRUE(set.accepts("\u03b2\u03b3\U0001F600"));
  EXPECT_FALSE(set.accepts("b\U0001F600"));
  EXPECT_TRUE(matcher("(?<year>\\d{4})-(?P<month>\\d\\d)").accepts("2026-11"));
  EXPECT_TRUE(matcher("\\{\\}\\.\\*\\/\\$").accepts("{}.*/$"));
}

TEST(Regex, RefusesByName) {
  const auto expect = [](const std::string& pattern, const std::string& words) {
    const auto gbnf = gbnf_from_regex(pattern);
    const auto* refusal = std::get_if<Refusal>(&gbnf);
    ASSERT_NE(refusal, nullptr) << pattern;
    EXPECT_THAT(refusal->message, ::testing::HasSubstr(words));
  };
  expect("(a)\\1", "backreference \\1");
  expect("a(?=b)", "lookahead");
  expect("a(?!b)", "lookahead");
  expect("(?<=a)b", "lookbehind");
  expect("\\bword\\b", "word boundary \\b");
  expect("\\p{L}", "escape \\p");
  expect("(?i)a", "group (?i");
  expect("a++", "possessive");
  expect("a**", "repetition of a repetition");
  expect("a(b$)c", "'$' inside the pattern");
  expect("a^b", "'^' inside the pattern");
  expect("(a", "')' is missing");
  expect("a)", "')' is out of place");
  expect("[a", "not closed");
  expect("[z-a]", "upside down");
  expect("[[:alpha:]]", "named class");
  expect("*a", "nothing to repeat");
  expect("a{3,2}", "upside down");
  expect("a{99999}", "above 16384");
  expect("[]", "matches nothing");
  expect("\\xG0", "hexadecimal");
  expect("\xFF", "not UTF-8");
  expect(std::string(100, '('), "nested deeper than 64");
}

}  // namespace
}  // namespace shoal::grammar::testing
