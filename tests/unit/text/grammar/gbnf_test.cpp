// The notation: what texts a grammar holds, written out by hand, and what is refused in which
// words.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/text/utf8.h"
#include "tests/unit/text/grammar/text_matcher.h"

namespace shoal::grammar::testing {
namespace {

TEST(Gbnf, HoldsLiteralsChoicesAndRepetitions) {
  TextMatcher yes_no("root ::= \"yes\" | \"no\" [!?]{1,3}  # an answer");
  for (const char* text : {"yes", "no!", "no?!?"}) EXPECT_TRUE(yes_no.accepts(text)) << text;
  for (const char* text : {"", "y", "no", "no!!!!", "yes!", "No!"})
    EXPECT_FALSE(yes_no.accepts(text)) << text;
  for (const char* text : {"", "y", "ye", "no", "no!!"}) EXPECT_TRUE(yes_no.begins(text)) << text;
  EXPECT_FALSE(yes_no.begins("yesn"));

  TextMatcher counted("root ::= \"a\"{2} \"b\"{2,} \"c\"{0,2} \"d\"* \"e\"+ \"f\"?");
  for (const char* text : {"aabbe", "aabbbbccddeef"}) EXPECT_TRUE(counted.accepts(text)) << text;
  for (const char* text : {"abbe", "aabe", "aabbccce", "aabbf", "aabbeff"})
    EXPECT_FALSE(counted.accepts(text)) << text;
}

TEST(Gbnf, RepeatsGroupsAndRulesOverLines) {
  TextMatcher list(
      "root  ::= item (\",\" item)*\n"
      "item  ::= (\n  \"(\" root \")\" |\n  [a-c]+\n)\n");
  for (const char* text : {"a", "abc,b", "((a)),(b,c)"}) EXPECT_TRUE(list.accepts(text)) << text;
  for (const char* text : {"", "a,", "(a", "d", "()"}) EXPECT_FALSE(list.accepts(text)) << text;
}

TEST(Gbnf, ReadsRecursionInTheMiddleAndOnTheRight) {
  TextMatcher middle("root ::= \"a\" root \"b\" | \"\"");
  EXPECT_TRUE(middle.accepts("aaabbb"));
  EXPECT_FALSE(middle.accepts("aaabb"));
  EXPECT_FALSE(middle.begins("aabbb"));
  TextMatcher right("root ::= \"x\" root | \"y\"");
  EXPECT_TRUE(right.accepts(std::string(100'000, 'x') + "y"));
}

// Deeper than the limit is not in the language: an opening bracket too many is not the beginning of
// anything.
TEST(Gbnf, CutsNestingAtItsLimit) {
  TextMatcher nested("root ::= \"(\" root \")\" | \"\"");
  EXPECT_TRUE(nested.begins(std::string(kMaxNesting, '(')));
  EXPECT_FALSE(nested.begins(std::string(kMaxNesting + 2, '(')));
  EXPECT_TRUE(nested.accepts(std::string(1000, '(') + std::string(1000, ')')));
}

TEST(Gbnf, TakesCharactersByTheirCodePoints) {
  TextMatcher greek("root ::= [\\u0391-\\u03A9]+ .");
  EXPECT_TRUE(greek.accepts("\u0391\u03A9!"));
  EXPECT_TRUE(greek.accepts("\u0391\U0001F600"));
  EXPECT_FALSE(greek.accepts("A!"));
  EXPECT_TRUE(greek.begins("\xCE"));
  EXPECT_FALSE(greek.begins("\xCF"));  // U+03C0 and above
  EXPECT_TRUE(greek.begins("\u0391\xF0\x9F"));
  EXPECT_FALSE(greek.begins("\u0391\xED\xA0"));  // a surrogate
  EXPECT_FALSE(greek.begins("\u0391\xF4\x90"));  // above U+10FFFF
  EXPECT_FALSE(greek.begins("\u0391\xC1"));      // an overlong form

  TextMatcher negated("root ::= [^\\x00-\\x1F\"\\\\]");
  for (const char* text : {"a", "]", "^", "\u00e9", "\u20ac", "\U00010000"})
    EXPECT_TRUE(negated.accepts(text)) << text;
  for (const char* text : {"\"", "\\", "\n"}) EXPECT_FALSE(negated.accepts(text)) << text;
  EXPECT_TRUE(
      TextMatcher("root ::= [\\]\\-\\^]{3} \"\\\"\\\\\\n\\t\\r\"").accepts("]-^\"\\\n\t\r"));
}

// Every character of three ranges, against the encoder that the tokenizer uses.
TEST(Gbnf, SplitsRangesIntoBytesExactly) {
  TextMatcher ranges("root ::= [\\x20-\\x7E\\u0370-\\u4E00\\U0000FF00-\\U00010450]");
  const auto inside = [](char32_t c) {
    return (c >= 0x20 && c <= 0x7E) || (c >= 0x370 && c <= 0x4E00) || (c >= 0xFF00 && c <= 0x10450);
  };
  for (char32_t c = 0; c <= 0x11000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    text::append_utf8(text, c);
    ASSERT_EQ(ranges.accepts(text), inside(c)) << static_cast<uint32_t>(c);
  }
}

TEST(Gbnf, AllowsLineEndsInFrontWhereAsked) {
  TextMatcher after("root ::= \"x\"", Lead::kLineEnds);
  for (const char* text : {"x", "\nx", "\n\nx"}) EXPECT_TRUE(after.accepts(text));
  for (const char* text : {"\n\n\nx", " x", "x\n"}) EXPECT_FALSE(after.accepts(text));
}

TEST(Gbnf, RefusesInWords) {
  const auto expect = [](const std::string& gbnf, const std::string& words) {
    EXPECT_THAT(refusal_of(gbnf), ::testing::HasSubstr(words)) << gbnf;
  };
  expect("", "no rule 'root'");
  expect("start ::= \"a\"", "no rule 'root'");
  expect("root ::= other", "rule 'other' is used but not defined");
  expect("root ::= \"a\"\nroot ::= \"b\"", "line 2: rule 'root' is defined twice");
  expect("root = \"a\"", "'::=' is expected after 'root'");
  expect("root ::= (\"a\"", "')' is missing");
  expect("root ::= \"a", "a literal is not closed");
  expect("root ::= [a", "a character class is not closed");
  expect("root ::= []", "matches nothing");
  expect("root ::= [z-a]", "upside down");
  expect("root ::= \"a\"{3,2}", "repetition {3,2} is upside down");
  expect("root ::= \"a\"{99999}", "a repetition above 16384");
  expect("root ::= \"\\q\"", "escape '\\q' is not known");
  expect("root ::= \"\\uD800\"", "is no character");
  expect("root ::= <think>", "token references");
  expect("root ::= \"a\" )", "')' is out of place");
  expect("root ::= root \"a\" | \"b\"", "rule 'root' leads back to itself");
  expect("root ::= a\na ::= \"\"? b\nb ::= a \"x\" | \"y\"", "(left recursion)");
  expect("root ::= \"a\" root", "rule 'root' never ends");
  expect("root ::= \"a\" | b\nb ::= \"x\" b", "rule 'b' never ends");
  expect(std::string("root ::= \"\xC3\""), "not UTF-8");
  expect("root ::= " + std::string(100, '(') + "\"a\"" + std::string(100, ')'), "nested deeper");
  expect("root ::= \"a\"" + std::string(10, '*'), "repetitions of one item");
}

// Nested quantifiers multiply; the count of states is refused, in little time and memory.
TEST(Gbnf, RefusesBombs) {
  EXPECT_THAT(refusal_of("root ::= [a-z]{16384} [0-9]{16384} [a-z]{16384} [0-9]{16384} \"x\""),
              ::testing::HasSubstr("more than 65,536 states"));
  // Called where they are repeated, nested counts add up instead of multiplying.
  EXPECT_EQ(refusal_of("root ::= (((\"abcd\"{9999} \"c\"){9999} \"d\"){9999} \"e\"){9999}"), "");
  EXPECT_THAT(refusal_of("root ::= (\"a\"? \"b\"? [c-x]{0,9000}){8,9000}"), "");
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 20'000; ++i) chain += fmt::format("r{} ::= r{}\n", i, i + 1);
  chain += "r20000 ::= \"a\"\n";
  const std::string refusal = refusal_of(chain);
  EXPECT_TRUE(refusal.empty() || refusal.find("100 ms") != std::string::npos) << refusal;
}

}  // namespace
}  // namespace shoal::grammar::testing
