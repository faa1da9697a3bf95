// Texts that punish a tokenizer whose time grows faster than the text, on a public vocabulary of
// 151,936 tokens and on the demo vocabulary. None measures time: each would run for hours.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "runtime/text/nfc.h"
#include "runtime/text/tokenizer.h"
#include "tests/unit/text/gguf_vocab.h"

namespace shoal::text {
namespace {

constexpr size_t kNumBytes = 1 << 20;

std::string repeated(std::string_view unit) {
  std::string text;
  while (text.size() < kNumBytes) text += unit;
  return text;
}

class LargeTextTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(GetParam()))
      GTEST_SKIP() << GetParam() << " is not there (data that cannot be committed)";
  }
};

TEST_P(LargeTextTest, ComesBack) {
  const Tokenizer tokenizer(read_gguf_vocab(GetParam()));
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes.push_back(static_cast<char>(i));
  const std::string texts[] = {
      repeated("a"),
      repeated(" "),
      repeated("\n"),
      repeated("ab"),
      repeated("<|im_end"),
      repeated("e\u0301"),
      repeated("\u0301"),
      repeated("'"),
      repeated(" \u00A0"),
      repeated("\u0E01\u0E31"),
      repeated("1"),
      repeated(all_bytes),
      repeated("\u1100\u1161\u11A8"),
  };
  for (const std::string& text : texts) {
    const auto ids = tokenizer.encode(text, SpecialTokens::kRecognize);
    EXPECT_TRUE(tokenizer.decode(ids) == to_nfc(sanitize_utf8(text))) << text.substr(0, 8);
  }
}

TEST_P(LargeTextTest, RealTextComesBackInFewerTokensThanCharacters) {
  const Tokenizer tokenizer(read_gguf_vocab(GetParam()));
  std::ifstream file(SHOAL_TEST_DATA "/eval_text.txt", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto ids = tokenizer.encode(text, SpecialTokens::kRecognize);
  EXPECT_EQ(tokenizer.decode(ids), to_nfc(text));
  EXPECT_LT(ids.size(), text.size() / 2);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies,
                         LargeTextTest,
                         testing::Values(SHOAL_TEST_MODELS
                                         "/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf",
                                         SHOAL_SHARED_DIR
                                         "/data/tokenizer/vocab-151k-pre-qwen35.gguf"));

}  // namespace
}  // namespace shoal::text
