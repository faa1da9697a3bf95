#include "runtime/text/detokenizer.h"

#include <gtest/gtest.h>

#include "tests/unit/text/byte_vocab.h"

namespace shoal::text {
namespace {

class DetokenizerTest : public testing::Test {
 protected:
  const Tokenizer tokenizer_{byte_vocab()};
};

TEST_F(DetokenizerTest, AnEmojiComesWhenItsLastByteDoes) {
  Detokenizer stream(tokenizer_);
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xF0), "");
  EXPECT_EQ(stream.push(0x9F), "");
  EXPECT_EQ(stream.push(0x98), "");
  EXPECT_TRUE(stream.holds_bytes());
  EXPECT_EQ(stream.push(0x80), "\U0001F600");
  EXPECT_FALSE(stream.holds_bytes());
  EXPECT_EQ(stream.flush(), "");
}

TEST_F(DetokenizerTest, WhatCannotBeCompletedIsReplacedAtOnce) {
  Detokenizer stream(tokenizer_);
  EXPECT_EQ(stream.push(0xF0), "");
  EXPECT_EQ(stream.push('b'), "\uFFFDb");
  EXPECT_EQ(stream.push(0x80), "\uFFFD");
  EXPECT_EQ(stream.push(0xE2), "");
  EXPECT_EQ(stream.push(0x82), "");
  EXPECT_EQ(stream.flush(), "\uFFFD");
  EXPECT_EQ(stream.flush(), "");
}

TEST_F(DetokenizerTest, ControlTokensAreSilentAndUserDefinedOnesVisible) {
  Detokenizer stream(tokenizer_);
  EXPECT_EQ(stream.push(kByteVocabThink), "<think>");
  EXPECT_EQ(stream.push(0xC3), "");
  EXPECT_EQ(stream.push(kByteVocabEnd), "");
  EXPECT_EQ(stream.push(kByteVocabUnused), "");
  EXPECT_EQ(stream.push(-1), "");
  EXPECT_EQ(stream.push(1'000'000), "");
  EXPECT_EQ(stream.push(0xA9), "\u00E9") << "a silent token does not break a character";

  Detokenizer verbose(tokenizer_, {.skip_special_tokens = false});
  EXPECT_EQ(verbose.push(0xC3), "");
  EXPECT_EQ(verbose.push(kByteVocabEnd), "\uFFFD<|end|>");
}

TEST_F(DetokenizerTest, TheStreamJoinedIsTheDecodedWhole) {
  std::vector<int32_t> ids;
  for (int i = 0; i < 5000; ++i) ids.push_back((i * i + i / 7) % 259);
  for (const bool skip : {true, false}) {
    Detokenizer stream(tokenizer_, {.skip_special_tokens = skip});
    std::string joined;
    for (const int32_t id : ids) {
      const std::string text = stream.push(id);
      EXPECT_TRUE(is_well_formed(text));
      joined += text;
    }
    joined += stream.flush();
    EXPECT_EQ(joined, tokenizer_.decode(ids, {.skip_special_tokens = skip}));
  }
}

}  // namespace
}  // namespace shoal::text
