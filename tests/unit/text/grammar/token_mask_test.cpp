// Masks against brute force: at every step of random walks, each token of a vocabulary is in the
// mask exactly if the text with it still begins a text of the grammar.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "runtime/text/grammar/gbnf_parser.h"
#include "runtime/text/grammar/json_schema.h"
#include "runtime/text/grammar/limits.h"
#include "runtime/text/grammar/regex.h"
#include "runtime/text/grammar/token_masks.h"
#include "tests/unit/text/grammar/brute_force.h"
#include "tests/unit/text/grammar/text_matcher.h"

namespace shoal::grammar::testing {
namespace {

bool holds(std::span<const uint32_t> mask, int32_t id) {
  return (mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0;
}

constexpr int32_t kEnd = 0, kHidden = 1;

// An end token, one without text, the bytes one by one, pieces of characters, and every word of up
// to three letters over what the grammars below talk about.
std::vector<std::string> pieces() {
  std::vector<std::string> out = {"<end>", ""};
  for (int byte = 0; byte < 256; ++byte) out.emplace_back(1, static_cast<char>(byte));
  for (const char* piece : {"\xE2\x82", "\x82\xAC", "\u20ac\"", "\xC3\xA9\xC3", "true",
                            "false",    "null",     "\": ",     "\",",          "{\"",
                            "\"}",      "\"a",      "\", \"",   "}}",           "]}",
                            "\\u",      "\\\"",     "\n ",      "\n  ",         "aaaaaaaaaaaaaaaa",
                            "00",       "2024-0",   "-1",       "1.5"})
    out.emplace_back(piece);
  const std::string letters = "ab(){}[]\",:0 ";
  for (const char x : letters)
    for (const char y : letters) {
      out.push_back({x, y});
      out.push_back({x, y, 'a'});
      out.push_back({'b', x, y});
    }
  out.emplace_back("a");  // the same bytes again, under another id
  return out;
}

std::string text_of(std::variant<std::string, Refusal> gbnf) {
  if (const auto* refusal = std::get_if<Refusal>(&gbnf)) {
    ADD_FAILURE() << refusal->message;
    return "root ::= \"\"";
  }
  return std::get<std::string>(gbnf);
}

struct Case {
  const char* name;
  std::string gbnf;
};

std::vector<Case> cases() {
  return {
      {"literals", "root ::= \"ab\" | \"aab(\" | \"b\"{2,3} \"0\""},
      {"nested", "root ::= \"(\" root \")\" | [ab]{1,2} | \"[\" (root (\",\" root)*)? \"]\""},
      {"right_recursion", "root ::= \"a\" root | \"b\" root \"0\" | \"\""},
      {"ambiguous", "root ::= x{0,6}\nx ::= \"a\" | \"aa\" | \"ab\" x | \"a\" \"b\"?"},
      {"palindromes", "root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"0\""},
      {"characters", "root ::= [\\u00e0-\\u0107\\u20a0-\\u20b0]{1,4} [^a-z]"},
      {"nullable", "root ::= (\"a\"? \"b\"?){2} (\"\" | \"(\" root \")\")"},
      {"regex", text_of(gbnf_from_regex("(a|b){1,3}(,[0-9]{2})*|\\(\\)+"))},
      {"json",
       text_of(gbnf_from_json_schema(
           R"({"type":"object","properties":{"a":{"type":"string","maxLength":2},)"
           R"("b":{"type":["integer","null"]},"ab":{"enum":["a",true,[0]]}},)"
           R"("required":["b"]})"))},
      {"extra_keys",
       text_of(gbnf_from_json_schema(
           R"({"type":"object","properties":{"a":{"const":0},"ab":{"const":1}},)"
           R"("additionalProperties":{"type":"boolean"}})"))},
      {"list",
       text_of(gbnf_from_json_schema(R"({"type":"array","prefixItems":[{"const":"a"}],)"
                                     R"("items":{"type":"boolean"},"maxItems":3})"))},
  };
}

class TokenMaskTest : public ::testing::TestWithParam<Case> {};

TEST_P(TokenMaskTest, AgreesWithBruteForceOnEveryToken) {
  const TokenTrie trie(pieces(), {kEnd});
  TokenMasks masks(TextMatcher::compiled(GetParam().gbnf), trie);
  const Syntax syntax = parse_gbnf(GetParam().gbnf);
  BruteForce brute_force(syntax);
  const std::vector<std::string> vocab = pieces();
  std::mt19937 random(7);
  for (int walk = 0; walk < 5; ++walk) {
    Cursor cursor = masks.begin();
    std::string text;
    for (int step = 0; step < 8; ++step) {
      const std::span<const uint32_t> mask = masks.mask(cursor);
      std::vector<int32_t> allowed;
      for (int32_t id = 2; id < static_cast<int32_t>(vocab.size()); ++id) {
        const bool begins = brute_force.judge(text + vocab[static_cast<size_t>(id)]).begins;
        ASSERT_EQ(holds(mask, id), begins)
            << "'" << text << "' then '" << vocab[static_cast<size_t>(id)] << "'";
        if (begins) allowed.push_back(id);
      }
      const bool complete = brute_force.judge(text).accepts;
      ASSERT_EQ(holds(mask, kEnd), complete) << text;
      ASSERT_EQ(masks.accepts(cursor), complete) << text;
      ASSERT_FALSE(holds(mask, kHidden));
      ASSERT_TRUE(complete || !allowed.empty()) << "a dead end after '" << text << "'";
      if (allowed.empty()) break;
      const int32_t next = allowed[random() % allowed.size()];
      masks.take(cursor, next);
      text += vocab[static_cast<size_t>(next)];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Grammars,
                         TokenMaskTest,
                         ::testing::ValuesIn(cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TokenMasks, AllowOnlyTheEndAfterAForeignToken) {
  const TokenTrie trie(pieces(), {kEnd});
  TokenMasks masks(TextMatcher::compiled("root ::= \"ab\"+"), trie);
  Cursor cursor = masks.begin();
  masks.take(cursor, kHidden);
  const auto mask = masks.mask(cursor);
  for (int32_t id = 0; id < trie.vocab_size(); ++id) EXPECT_EQ(holds(mask, id), id == kEnd) << id;
}

TEST(TokenMasks, AreKeptByState) {
  const TokenTrie trie(pieces(), {kEnd});
  TokenMasks masks(TextMatcher::compiled("root ::= [ab]*"), trie);
  Cursor first = masks.begin(), second = masks.begin();
  masks.mask(first);
  const auto made = masks.num_masks_made();
  for (int32_t id : {2 + 'a', 2 + 'b', 2 + 'a'}) {
    masks.take(second, id);
    masks.mask(second);
    masks.mask(first);
  }
  EXPECT_LE(masks.num_masks_made(), made + 1);
}

// Palindromes need a state for every text; a table started anew in the midst of a walk must not be
// seen from outside.
TEST(TokenMasks, SurviveTheirTableStartingAnew) {
  std::vector<std::string> vocab = {"<end>"};
  for (int i = 0; i < 1 << 12; ++i) {
    std::string piece;
    for (int bit = 0; bit < 12; ++bit) piece += (i >> bit & 1) != 0 ? 'a' : 'b';
    vocab.push_back(piece);
  }
  vocab.emplace_back("0");
  vocab.emplace_back("a");
  const auto zero = static_cast<int32_t>(vocab.size()) - 2, a = zero + 1;
  const TokenTrie trie(vocab, {kEnd});
  TokenMasks masks(TextMatcher::compiled("root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"0\""),
                   trie);
  Cursor other = masks.begin();
  masks.take(other, a);
  for (int32_t id = 1; id < 200; id += 17) {
    Cursor cursor = masks.begin();
    for (int32_t n = 0; n < 3; ++n) {
      masks.take(cursor, id + n);
      const auto mask = masks.mask(cursor);
      for (int32_t any = 1; any <= zero; ++any) ASSERT_TRUE(holds(mask, any));
    }
    masks.take(cursor, zero);
    // Only the last piece backwards fits now.
    std::string backwards = vocab[static_cast<size_t>(id) + 2];
    std::reverse(backwards.begin(), backwards.end());
    const auto mask = masks.mask(cursor);
    for (int32_t any = 1; any < zero; ++any)
      ASSERT_EQ(holds(mask, any), vocab[static_cast<size_t>(any)] == backwards);
    ASSERT_FALSE(holds(mask, kEnd));
  }
  masks.take(other, zero);
  const auto mask = masks.mask(other);
  EXPECT_TRUE(holds(mask, a));
  EXPECT_FALSE(holds(mask, zero));
}

TEST(TokenMasks, GiveUpOnWhatIsTooAmbiguousTheSameWayEachTime) {
  // Every letter can belong to any of thousands of ways.
  std::string gbnf = "root ::= w*\nw ::= ";
  for (int i = 1; i <= 150; ++i) gbnf += fmt::format("{}[a-z]{{{}}} \"!\"", i > 1 ? " | " : "", i);
  const TokenTrie trie(pieces(), {kEnd});
  const auto automaton = TextMatcher::compiled(gbnf + " | [a-z]{1,150}");
  std::vector<std::vector<uint32_t>> seen;
  for (int run = 0; run < 2; ++run) {
    TokenMasks masks(automaton, trie);
    Cursor cursor = masks.begin();
    for (int i = 0; i < 40; ++i) {
      masks.take(cursor, 2 + 'a');
      const auto mask = masks.mask(cursor);
      if (run == 0)
        seen.emplace_back(mask.begin(), mask.end());
      else
        ASSERT_TRUE(std::ranges::equal(seen[static_cast<size_t>(i)], mask)) << i;
    }
  }
}

}  // namespace
}  // namespace shoal::grammar::testing
